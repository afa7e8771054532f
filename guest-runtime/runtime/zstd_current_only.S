/* Keeps zstd's decoders of its formats before version 0.8 out of the images: a library member is linked only for
 * symbols that nothing else defines. Never reached, since frames without the current magic number are refused
 * before decoding; reaching one is a fault like any other. The trace hooks, weak in the library, do nothing. */
    .text
    .globl ZBUFFv05_createDCtx
ZBUFFv05_createDCtx:
    .globl ZBUFFv05_decompressContinue
ZBUFFv05_decompressContinue:
    .globl ZBUFFv05_decompressInitDictionary
ZBUFFv05_decompressInitDictionary:
    .globl ZBUFFv05_freeDCtx
ZBUFFv05_freeDCtx:
    .globl ZBUFFv06_createDCtx
ZBUFFv06_createDCtx:
    .globl ZBUFFv06_decompressContinue
ZBUFFv06_decompressContinue:
    .globl ZBUFFv06_decompressInitDictionary
ZBUFFv06_decompressInitDictionary:
    .globl ZBUFFv06_freeDCtx
ZBUFFv06_freeDCtx:
    .globl ZBUFFv07_createDCtx
ZBUFFv07_createDCtx:
    .globl ZBUFFv07_decompressContinue
ZBUFFv07_decompressContinue:
    .globl ZBUFFv07_decompressInitDictionary
ZBUFFv07_decompressInitDictionary:
    .globl ZBUFFv07_freeDCtx
ZBUFFv07_freeDCtx:
    .globl ZSTDv05_createDCtx
ZSTDv05_createDCtx:
    .globl ZSTDv05_decompress_usingDict
ZSTDv05_decompress_usingDict:
    .globl ZSTDv05_findFrameSizeInfoLegacy
ZSTDv05_findFrameSizeInfoLegacy:
    .globl ZSTDv05_freeDCtx
ZSTDv05_freeDCtx:
    .globl ZSTDv05_getFrameParams
ZSTDv05_getFrameParams:
    .globl ZSTDv06_createDCtx
ZSTDv06_createDCtx:
    .globl ZSTDv06_decompress_usingDict
ZSTDv06_decompress_usingDict:
    .globl ZSTDv06_findFrameSizeInfoLegacy
ZSTDv06_findFrameSizeInfoLegacy:
    .globl ZSTDv06_freeDCtx
ZSTDv06_freeDCtx:
    .globl ZSTDv06_getFrameParams
ZSTDv06_getFrameParams:
    .globl ZSTDv07_createDCtx
ZSTDv07_createDCtx:
    .globl ZSTDv07_decompress_usingDict
ZSTDv07_decompress_usingDict:
    .globl ZSTDv07_findFrameSizeInfoLegacy
ZSTDv07_findFrameSizeInfoLegacy:
    .globl ZSTDv07_freeDCtx
ZSTDv07_freeDCtx:
    .globl ZSTDv07_getFrameParams
ZSTDv07_getFrameParams:
    ud2

    .globl ZSTD_trace_decompress_begin, ZSTD_trace_compress_begin
    .globl ZSTD_trace_decompress_end, ZSTD_trace_compress_end
ZSTD_trace_decompress_begin:
ZSTD_trace_compress_begin:
ZSTD_trace_decompress_end:
ZSTD_trace_compress_end:
    xorl %eax, %eax
    ret

    .section .note.GNU-stack, "", @progbits
