// The shipped price files as read-only data; TG_PRICES_FILE and TG_RULES_FILE come from CMake.
    .section .rodata
    .global tg_default_prices
    .global tg_default_prices_end
    .global tg_default_price_rules
    .global tg_default_price_rules_end
    .balign 16
tg_default_prices:
    .incbin TG_PRICES_FILE
tg_default_prices_end:
    .byte 0
    .balign 16
tg_default_price_rules:
    .incbin TG_RULES_FILE
tg_default_price_rules_end:
    .byte 0
    .section .note.GNU-stack,"",%progbits
