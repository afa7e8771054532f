#include "executor/executor.h"

namespace instar::vmm {
namespace {
InlineExecutorFactory factory_of_inline_executors = nullptr;
}  // namespace

void SetInlineExecutorFactory(InlineExecutorFactory factory) {
  factory_of_inline_executors = factory;
}
InlineExecutorFactory inline_executor_factory() { return factory_of_inline_executors; }

}  // namespace instar::vmm
