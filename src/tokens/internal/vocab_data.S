// The tables that tools/build_vocab writes, as read-only data of the program.
    .section .rodata, "a"

    .balign 4096
    .globl kTgVocabularyO200k
kTgVocabularyO200k:
    .incbin "o200k_base.vocab"

    .balign 64
    .globl kTgVocabularyCl100k
kTgVocabularyCl100k:
    .incbin "cl100k_base.vocab"

    .balign 64
    .globl kTgUnicodeClasses
kTgUnicodeClasses:
    .incbin "unicode.classes"

    .section .note.GNU-stack, "", @progbits
