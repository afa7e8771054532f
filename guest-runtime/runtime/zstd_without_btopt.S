/* Keeps "btopt" out of an image as well (zstd_few_finders.S): the host starts another where the level asks for it. */
    .text
    .globl ZSTD_compressBlock_btopt
ZSTD_compressBlock_btopt:
    .globl ZSTD_compressBlock_btopt_dictMatchState
ZSTD_compressBlock_btopt_dictMatchState:
    .globl ZSTD_compressBlock_btopt_extDict
ZSTD_compressBlock_btopt_extDict:
    .globl ZSTD_compressBlock_btultra
ZSTD_compressBlock_btultra:
    .globl ZSTD_compressBlock_btultra2
ZSTD_compressBlock_btultra2:
    .globl ZSTD_compressBlock_btultra_dictMatchState
ZSTD_compressBlock_btultra_dictMatchState:
    .globl ZSTD_compressBlock_btultra_extDict
ZSTD_compressBlock_btultra_extDict:
    .globl ZSTD_updateTree
ZSTD_updateTree:
    ud2

    .section .note.GNU-stack, "", @progbits
