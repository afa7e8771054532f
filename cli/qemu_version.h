// Which qemu-img the output is to look like. The output never depends on what is installed.
#ifndef CLI_QEMU_VERSION_H_
#define CLI_QEMU_VERSION_H_

#include <compare>
#include <expected>
#include <string>
#include <string_view>

namespace instar::cli {

struct QemuVersion {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const QemuVersion&) const = default;
};

// The newest whose output is known here: what is assumed unless the user says otherwise.
inline constexpr QemuVersion kNewestQemuVersion{10, 1};

// The first versions that ...
inline constexpr QemuVersion kMapPresent{6, 1};         // ... tell "present" in map
inline constexpr QemuVersion kChildNodes{8, 0};         // ... tell of the file below the format
inline constexpr QemuVersion kMapCompressed{8, 2};      // ... tell "compressed" in map
inline constexpr QemuVersion kNoErrorNumber{8, 2};      // ... leave it out of snapshot -c's errors
inline constexpr QemuVersion kWideSnapshotTable{9, 0};  // ... print the wider table of snapshots
inline constexpr QemuVersion kHelpOfVerbs{10, 1};       // ... point to the help of the verb
inline constexpr QemuVersion kSnapshotLists{10, 1};  // ... list snapshots if nothing is asked for

// "X.Y" or "X.Y.Z". The error is one line for the user.
[[nodiscard]] std::expected<QemuVersion, std::string> ParseQemuVersion(std::string_view text);

[[nodiscard]] std::string ToString(QemuVersion version);

}  // namespace instar::cli

#endif  // CLI_QEMU_VERSION_H_
