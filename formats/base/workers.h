// What pure code shares its work out to: virtual processors in the sandbox, threads in a test.
#ifndef FORMATS_BASE_WORKERS_H_
#define FORMATS_BASE_WORKERS_H_

#include "formats/base/error.h"

namespace instar {

class Workers {
 public:
  virtual ~Workers() = default;

  // At least 1.
  [[nodiscard]] virtual unsigned count() const = 0;

  // Runs function(argument, w) for w in [0, count()) at once and returns when all have returned.
  // Not reentrant.
  virtual Status Run(void (*function)(void* argument, unsigned worker), void* argument) = 0;
};

// Runs work(w) on all `workers`.
template <typename Work>
Status RunOnAll(Workers& workers, Work& work) {
  return workers.Run(
      [](void* argument, unsigned worker) { (*static_cast<Work*>(argument))(worker); }, &work);
}

}  // namespace instar

#endif  // FORMATS_BASE_WORKERS_H_
