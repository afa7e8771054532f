// The inline executor: the planners called directly, in this process, with no isolation at all. For
// programs that trust their images or bring their own sandbox, and for tests. Linking this target
// links the parsers.
#ifndef GUEST_RUNTIME_INLINE_INLINE_EXECUTOR_H_
#define GUEST_RUNTIME_INLINE_INLINE_EXECUTOR_H_

namespace instar::vmm {

// Makes Isolation::kInline available to the verbs of this program.
void RegisterInlineExecutor();

}  // namespace instar::vmm

#endif  // GUEST_RUNTIME_INLINE_INLINE_EXECUTOR_H_
