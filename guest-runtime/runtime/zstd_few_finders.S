/* Keeps every match finder but "dfast" and "btopt", those of formats/qcow2/write/compress_zstd.cc, out of an image: a
 * library member is linked only for symbols that nothing else defines. Never reached with these strategies,
 * without dictionaries, long-distance matching and targeted block sizes; reaching one is a fault like any other. */
    .text
    .globl ZSTD_compressBlock_btlazy2
ZSTD_compressBlock_btlazy2:
    .globl ZSTD_compressBlock_btlazy2_dictMatchState
ZSTD_compressBlock_btlazy2_dictMatchState:
    .globl ZSTD_compressBlock_btlazy2_extDict
ZSTD_compressBlock_btlazy2_extDict:
    .globl ZSTD_compressBlock_fast
ZSTD_compressBlock_fast:
    .globl ZSTD_compressBlock_fast_dictMatchState
ZSTD_compressBlock_fast_dictMatchState:
    .globl ZSTD_compressBlock_fast_extDict
ZSTD_compressBlock_fast_extDict:
    .globl ZSTD_compressBlock_greedy
ZSTD_compressBlock_greedy:
    .globl ZSTD_compressBlock_greedy_dedicatedDictSearch
ZSTD_compressBlock_greedy_dedicatedDictSearch:
    .globl ZSTD_compressBlock_greedy_dedicatedDictSearch_row
ZSTD_compressBlock_greedy_dedicatedDictSearch_row:
    .globl ZSTD_compressBlock_greedy_dictMatchState
ZSTD_compressBlock_greedy_dictMatchState:
    .globl ZSTD_compressBlock_greedy_dictMatchState_row
ZSTD_compressBlock_greedy_dictMatchState_row:
    .globl ZSTD_compressBlock_greedy_extDict
ZSTD_compressBlock_greedy_extDict:
    .globl ZSTD_compressBlock_greedy_extDict_row
ZSTD_compressBlock_greedy_extDict_row:
    .globl ZSTD_compressBlock_greedy_row
ZSTD_compressBlock_greedy_row:
    .globl ZSTD_compressBlock_lazy
ZSTD_compressBlock_lazy:
    .globl ZSTD_compressBlock_lazy2
ZSTD_compressBlock_lazy2:
    .globl ZSTD_compressBlock_lazy2_dedicatedDictSearch
ZSTD_compressBlock_lazy2_dedicatedDictSearch:
    .globl ZSTD_compressBlock_lazy2_dedicatedDictSearch_row
ZSTD_compressBlock_lazy2_dedicatedDictSearch_row:
    .globl ZSTD_compressBlock_lazy2_dictMatchState
ZSTD_compressBlock_lazy2_dictMatchState:
    .globl ZSTD_compressBlock_lazy2_dictMatchState_row
ZSTD_compressBlock_lazy2_dictMatchState_row:
    .globl ZSTD_compressBlock_lazy2_extDict
ZSTD_compressBlock_lazy2_extDict:
    .globl ZSTD_compressBlock_lazy2_extDict_row
ZSTD_compressBlock_lazy2_extDict_row:
    .globl ZSTD_compressBlock_lazy2_row
ZSTD_compressBlock_lazy2_row:
    .globl ZSTD_compressBlock_lazy_dedicatedDictSearch
ZSTD_compressBlock_lazy_dedicatedDictSearch:
    .globl ZSTD_compressBlock_lazy_dedicatedDictSearch_row
ZSTD_compressBlock_lazy_dedicatedDictSearch_row:
    .globl ZSTD_compressBlock_lazy_dictMatchState
ZSTD_compressBlock_lazy_dictMatchState:
    .globl ZSTD_compressBlock_lazy_dictMatchState_row
ZSTD_compressBlock_lazy_dictMatchState_row:
    .globl ZSTD_compressBlock_lazy_extDict
ZSTD_compressBlock_lazy_extDict:
    .globl ZSTD_compressBlock_lazy_extDict_row
ZSTD_compressBlock_lazy_extDict_row:
    .globl ZSTD_compressBlock_lazy_row
ZSTD_compressBlock_lazy_row:
    .globl ZSTD_compressSuperBlock
ZSTD_compressSuperBlock:
    .globl ZSTD_dedicatedDictSearch_lazy_loadDictionary
ZSTD_dedicatedDictSearch_lazy_loadDictionary:
    .globl ZSTD_fillHashTable
ZSTD_fillHashTable:
    .globl ZSTD_insertAndFindFirstIndex
ZSTD_insertAndFindFirstIndex:
    .globl ZSTD_ldm_adjustParameters
ZSTD_ldm_adjustParameters:
    .globl ZSTD_ldm_blockCompress
ZSTD_ldm_blockCompress:
    .globl ZSTD_ldm_fillHashTable
ZSTD_ldm_fillHashTable:
    .globl ZSTD_ldm_generateSequences
ZSTD_ldm_generateSequences:
    .globl ZSTD_ldm_skipRawSeqStoreBytes
ZSTD_ldm_skipRawSeqStoreBytes:
    .globl ZSTD_row_update
ZSTD_row_update:
    ud2

/* These are called for every frame, long-distance matching or not: no sequences, no table, nothing to skip. */
    .globl ZSTD_ldm_getMaxNbSeq
ZSTD_ldm_getMaxNbSeq:
    .globl ZSTD_ldm_getTableSize
ZSTD_ldm_getTableSize:
    .globl ZSTD_ldm_skipSequences
ZSTD_ldm_skipSequences:
    xorl %eax, %eax
    ret

    .section .note.GNU-stack, "", @progbits
