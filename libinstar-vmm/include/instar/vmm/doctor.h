// What of the protection is to be had on this machine.
#ifndef INSTAR_VMM_DOCTOR_H_
#define INSTAR_VMM_DOCTOR_H_

#include <string>
#include <vector>

namespace instar::vmm {

struct DoctorFinding {
  std::string name;  // "kvm", "process", "landlock", "seccomp", "openat2", ...
  bool available = false;
  std::string detail;  // one line: version, or why not and what to do
};

std::vector<DoctorFinding> Doctor();

}  // namespace instar::vmm

#endif  // INSTAR_VMM_DOCTOR_H_
