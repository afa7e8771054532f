// Decides which of the files that images name are opened, and opens them.
//
// An image is written by an attacker; what it names is a wish. The gate first decides by the name
// alone (reference_name.h): outside the allowed directories a name is refused without a look at the
// file system, so the answer is the same whether or not something is there. What passes is walked
// to, one name at a time, from a descriptor that was opened before the jail (reference_walk.h). The
// rest is decided on the opened file, before a byte of it is read:
//
//   kind         a regular file, in no special file system (special_file_system.h)
//   owner        root, the caller, or the owner of the image that names it, unless any owner will
//                do
//   readability  where root runs this, every other owner of an image on the chain from the top to
//                here must be able to read it himself (file_reader.h)
//
// The last one adds up along a chain: an image in between that belongs to root must not hand the
// owner of the top image what only root may read. For example alice's overlay names root's base
// (0644), which names root's data file (0600): the data file is refused. docs/security.md says
// which rule has which reason. Inside the jail, Landlock confines what can be reached a second
// time.
#ifndef LIBINSTAR_VMM_SRC_BROKER_REFERENCE_GATE_H_
#define LIBINSTAR_VMM_SRC_BROKER_REFERENCE_GATE_H_

#include <absl/status/status.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/device_table.h"
#include "broker/file_reader.h"
#include "broker/reference_name.h"
#include "broker/reference_walk.h"
#include "formats/base/error.h"
#include "instar/vmm/notices.h"
#include "instar/vmm/sandbox.h"

namespace instar::vmm {

class RefusalText;

[[nodiscard]] ReferenceKind ReferenceKindOf(ReferenceRole role);

struct ReferenceRefusal {
  ErrorCode code = ErrorCode::kDenied;
  int os_errno = 0;
  std::string
      line;  // readable; names the reference as the image gives it, never what it resolves to
};

class ReferenceGate {
 public:
  // Opens the directories that `policy` allows and gives the devices the user named their places.
  // kNotFound and the like if a directory the user named cannot be opened.
  absl::Status Open(const ReferencePolicy& policy, DeviceTable& devices);

  // Opens the file that the image on `parent` calls `name`. `parent` exists in `devices`.
  std::expected<std::unique_ptr<Device>, ReferenceRefusal> Follow(const DeviceTable& devices,
                                                                  DeviceId parent,
                                                                  std::string_view name,
                                                                  ReferenceRole role) const;

  // Descriptors beneath which (or which themselves) files may be opened for reading.
  [[nodiscard]] std::vector<int> directories() const;
  // Those of the directories from which it walks.
  [[nodiscard]] std::vector<int> walked_directories() const;

 private:
  absl::Status OpenNamedRoots(const ReferencePolicy& policy);
  void OpenHomeRoot(Device& device);
  // Looks up what the jail keeps from being looked up later, for the images that root did not make.
  void PrepareReaders(const DeviceTable& devices);
  [[nodiscard]] bool IsNamed(const FileIdentity& identity) const;
  struct Found {
    FoundFile file;
    std::size_t root = 0;  // where a symbolic link led elsewhere: beneath that
  };
  // Walks from `where` to the file, and where a symbolic link leads elsewhere from there.
  [[nodiscard]] std::expected<Found, ReferenceRefusal> Walk(const Device& parent,
                                                            ResolvedReference where,
                                                            const WalkRules& rules,
                                                            const RefusalText& refusal) const;
  // The file that may be opened as far as is known without opening it for reading.
  [[nodiscard]] std::expected<Found, ReferenceRefusal> Find(const DeviceTable& devices,
                                                            DeviceId parent,
                                                            const ResolvedReference& where,
                                                            const WalkRules& rules,
                                                            const RefusalText& refusal) const;
  // The owners of `parent` and of the images above it on whose behalf root reads.
  [[nodiscard]] std::vector<FileReader> ReadersFor(const DeviceTable& devices,
                                                   DeviceId parent) const;
  // Why an image on `parent` may not name `file`, whoever may read it; null if it may.
  [[nodiscard]] const char* WhyNotByOwner(const Device& parent, const struct stat& file) const;

  AllowedReferences allowed_ = AllowedReferences::kNone;
  uid_t caller_ = 0;
  bool owners_known_ = true;  // kUnmappedUser is the owner's real number
  std::vector<ReferenceRoot> roots_;
  std::vector<FileReader> known_readers_;  // with groups
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_REFERENCE_GATE_H_
