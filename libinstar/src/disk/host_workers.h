// The host's virtual processors as a format sees them.
#ifndef DISK_HOST_WORKERS_H_
#define DISK_HOST_WORKERS_H_

#include "formats/base/workers.h"
#include "instar/host.h"

namespace instar::disk {

class HostWorkers final : public Workers {
 public:
  explicit HostWorkers(Host& host) : host_(host) {}
  [[nodiscard]] unsigned count() const override { return host_.max_workers(); }
  Status Run(void (*function)(void* argument, unsigned worker), void* argument) override {
    return host_.Parallel(count(), function, argument);
  }

 private:
  Host& host_;
};

}  // namespace instar::disk

#endif  // DISK_HOST_WORKERS_H_
