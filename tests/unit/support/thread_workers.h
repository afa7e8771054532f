// Workers that are threads.
#ifndef TESTS_UNIT_SUPPORT_THREAD_WORKERS_H_
#define TESTS_UNIT_SUPPORT_THREAD_WORKERS_H_

#include <thread>
#include <vector>

#include "formats/base/workers.h"

namespace instar::test {

class ThreadWorkers final : public Workers {
 public:
  explicit ThreadWorkers(unsigned count) : count_(count) {}
  [[nodiscard]] unsigned count() const override { return count_; }
  Status Run(void (*function)(void* argument, unsigned worker), void* argument) override {
    ++runs;
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < count_; ++i) threads.emplace_back(function, argument, i);
    function(argument, 0);
    for (std::thread& thread : threads) thread.join();
    return {};
  }

  unsigned runs = 0;

 private:
  const unsigned count_;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_THREAD_WORKERS_H_
