#include "executor/host_thread.h"

#include <utility>

namespace instar::vmm {
namespace {

void* RunBody(void* body) {
  (*static_cast<std::function<void()>*>(body))();
  return nullptr;
}

}  // namespace

bool HostThread::Start(std::function<void()> body) {
  body_ = std::move(body);
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  started_ = pthread_attr_setstacksize(&attributes, kStackBytes) == 0 &&
             pthread_create(&thread_, &attributes, RunBody, &body_) == 0;
  pthread_attr_destroy(&attributes);
  return started_;
}

void HostThread::join() {
  pthread_join(thread_, nullptr);
  started_ = false;
}

}  // namespace instar::vmm
