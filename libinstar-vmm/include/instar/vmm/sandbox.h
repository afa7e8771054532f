// What every sandboxed verb takes: how strongly to isolate, what an image may refer to, and the
// bounds.
#ifndef INSTAR_VMM_SANDBOX_H_
#define INSTAR_VMM_SANDBOX_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "instar/vmm/notices.h"
#include "instar/vmm/timing.h"

namespace instar::vmm {

enum class Isolation {
  kAuto,     // kKvm where /dev/kvm works, else kProcess
  kKvm,      // the parsers run in a virtual machine
  kProcess,  // the parsers run in a child process without files or privileges
  kInline,   // no isolation: only in programs that link the inline executor
};

// Which of the files that an image names are opened: backing files, data files, extents.
enum class AllowedReferences {
  kNone,  // none at all
  // Those in the directory of the image and below, or in `allow_paths`, that belong to root, to the
  // caller or to the owner of the image that names them.
  kDirectory,
  kAnyOwner,  // the same, whoever they belong to
};

// Which files an image may make the host open. In every mode: regular files only; none in a special
// file system such as /proc; none whose name, or a directory's on the way, begins with a dot,
// unless `allow_paths` names it; not those in "/" because the image lies there. Where the caller is
// root and the owner of an image is not, what that image names is opened only if its owner may read
// it himself. docs/security.md says more.
struct ReferencePolicy {
  AllowedReferences allowed = AllowedReferences::kDirectory;  // --references
  bool image_directory = true;           // the directory of the image that names them, and below
  std::vector<std::string> allow_paths;  // further directories, and files (--allow-path)
};

// Where the jail (Landlock, seccomp, no_new_privs, rlimits) is put up. It is never taken down, so a
// program that goes on afterwards must not put it around itself.
enum class Jail {
  kChildProcess,  // fork; only the child is jailed. What a library user wants.
  kThisProcess,   // this process, for good. What the command line does.
  kNone,          // tests only
};

// What must be active, else the run is refused (--require).
struct Requirements {
  bool kvm = false;       // the parsers run in a virtual machine
  bool landlock = false;  // the kernel confines the host process to the paths it was given
  bool seccomp = false;   // the system calls are filtered: no jailed run goes without
  bool openat2 = false;   // the kernel keeps paths inside a directory
};

struct SandboxOptions {
  Isolation isolation = Isolation::kAuto;
  Jail jail = Jail::kChildProcess;
  ReferencePolicy references;
  Requirements require;
  std::uint64_t guest_memory_bytes = 512ull << 20;     // heap of the guest; 16 MiB to 4 GiB
  std::uint64_t max_virtual_bytes = 1ull << 50;        // no target holds a larger virtual disk
  std::uint64_t max_output_bytes = ~std::uint64_t{0};  // length a target file may reach
  unsigned max_chain_depth = 64;                       // images of a backing chain, 1 to 1024
  unsigned workers = 0;                                // vCPUs; 0: one a core, at most 16
  std::chrono::milliseconds stall_timeout{30'000};  // a guest without progress for so long is ended
  // The whole operation, from the call of a verb on. 0: as the verb has it, which is a minute for
  // Info, and for Create without preallocation=full or falloc, and no limit for the others.
  std::chrono::milliseconds time_limit{0};
  // When that is over, for callers that began earlier; by itself time_limit after the call.
  std::chrono::steady_clock::time_point deadline;
  Timing* timing = nullptr;  // set: told where the time went (timing.h)
  Notices notices;           // told what happens on the way (notices.h)
};

}  // namespace instar::vmm

#endif  // INSTAR_VMM_SANDBOX_H_
