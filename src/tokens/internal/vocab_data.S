// The tables that tools/build_vocab writes, as read-only data of the program.
    .section .rodata, "a"

    .balign 4096
    .globl tg_vocab_o200k_base
tg_vocab_o200k_base:
    .incbin "o200k_base.vocab"

    .balign 64
    .globl tg_vocab_cl100k_base
tg_vocab_cl100k_base:
    .incbin "cl100k_base.vocab"

    .balign 64
    .globl tg_unicode_classes
tg_unicode_classes:
    .incbin "unicode.classes"

    .section .note.GNU-stack, "", @progbits
