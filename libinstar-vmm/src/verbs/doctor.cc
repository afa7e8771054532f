#include "instar/vmm/doctor.h"

#include <absl/strings/str_cat.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "executor/executor.h"
#include "jail/jail.h"

namespace instar::vmm {
namespace {

DoctorFinding Kvm() {
  const absl::Status status = CheckKvm();
  if (status.ok()) return {"kvm", true, "virtual machines can be made; this is the default"};
  return {"kvm", false, std::string(status.message())};
}

DoctorFinding Seccomp() {
  if (SeccompAvailable()) return {"seccomp", true, "system calls can be filtered"};
  return {"seccomp", false, "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"};
}

// What the process executor cannot do without is the filter: it is the wall around the parsers.
DoctorFinding Process(bool seccomp) {
  if (seccomp) {
    return {"process", true, "parsers can run in a child process without files or privileges"};
  }
  return {"process", false, "needs seccomp"};
}

DoctorFinding Landlock() {
  const int version = LandlockVersion();
  if (version > 0) {
    return {"landlock", true, absl::StrCat("file access can be confined (ABI ", version, ")")};
  }
  return {"landlock", false,
          "not in this kernel, or not enabled (lsm= on the kernel's command line); the filter of "
          "system calls leaves nothing that takes a path, and a process of its own opens files"};
}

DoctorFinding Openat2() {
  if (Openat2Available()) return {"openat2", true, "paths can be kept inside a directory"};
  return {"openat2", false,
          absl::StrCat("files that images name cannot be opened: ", std::strerror(errno),
                       "; needs Linux 5.6")};
}

DoctorFinding Kernel() {
  utsname name{};
  if (uname(&name) != 0) return {"kernel", false, std::strerror(errno)};
  const bool supported = std::string_view(name.machine) == "x86_64";
  return {"kernel", supported,
          absl::StrCat(name.sysname, " ", name.release, " on ", name.machine,
                       supported ? "" : "; guest images are built for x86_64")};
}

}  // namespace

std::vector<DoctorFinding> Doctor() {
  const DoctorFinding seccomp = Seccomp();
  return {Kernel(), Kvm(), Process(seccomp.available), seccomp, Landlock(), Openat2()};
}

}  // namespace instar::vmm
