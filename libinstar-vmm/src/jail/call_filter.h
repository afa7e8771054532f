// A list of allowed system calls as a program of the kernel's filter (seccomp(2), classic BPF).
// Whatever the list does not name kills the process, and so does a call by the numbers of another
// architecture.
#ifndef LIBINSTAR_VMM_SRC_JAIL_CALL_FILTER_H_
#define LIBINSTAR_VMM_SRC_JAIL_CALL_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace instar::vmm {

class CallFilter {
 public:
  // Of argument `index` (0 to 5) those bits that `mask` has must be those of `value`.
  struct Condition {
    unsigned index = 0;
    std::uint64_t mask = 0;
    std::uint64_t value = 0;
  };

  // Allows call `number`, with any arguments.
  void Allow(long number) { plain_.push_back(static_cast<std::uint32_t>(number)); }
  // The same where all conditions hold. May be called again for the same number. Every condition
  // tests something: its mask is not 0, and its value within the mask.
  void Allow(long number, std::initializer_list<Condition> conditions);

  [[nodiscard]] std::vector<sock_filter> Program() const;

 private:
  struct Checked {
    std::uint32_t number;
    std::vector<Condition> conditions;
  };
  std::vector<std::uint32_t> plain_;
  std::vector<Checked> checked_;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_JAIL_CALL_FILTER_H_
