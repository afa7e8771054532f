/* Where vCPUs start. The host has set the stack pointer (16-byte aligned), FS base (struct instar_vcpu) and, for
 * the first vCPU, RDI (struct instar_boot). */
    .section .text.entry, "ax", @progbits
    .balign 64
    .globl instar_guest_entry
    .type instar_guest_entry, @function
instar_guest_entry:
    xorl %ebp, %ebp
    call instar_guest_start
    ud2

    /* A worker vCPU starts here: INSTAR_WORKER_ENTRY_OFFSET after the entry point. */
    .globl instar_worker_entry
    .type instar_worker_entry, @function
    .balign 64
instar_worker_entry:
    xorl %ebp, %ebp
    call instar_worker_start
    ud2

    /* What parts find at INSTAR_MALLOC_OFFSET and INSTAR_FREE_OFFSET. */
    .balign 64
    jmp malloc
    .balign 64
    jmp free

    .section .note.GNU-stack, "", @progbits
