// The output of `map`, written as the entries come: there may be millions.
#ifndef CLI_MAP_OUTPUT_H_
#define CLI_MAP_OUTPUT_H_

#include <cstdint>
#include <string>
#include <utility>

#include "cli/qemu_version.h"
#include "cli/text_output.h"
#include "instar/vmm/map.h"

namespace instar::cli {

class MapOutput {
 public:
  // As TextOutput.
  MapOutput(bool json, QemuVersion version, std::uint64_t max_bytes, TextOutput::Printer print)
      : json_(json), version_(version), out_(max_bytes, std::move(print)) {}

  // What stands before the entries.
  void Begin();
  // False when there is no use in going on: see `failure`.
  bool Add(const vmm::MapEntry& entry);
  // Prints what is left; `complete`: what stands behind the entries too. The exit code of printing.
  int Finish(bool complete);

  // Why Add returned false: an error line, or empty where printing failed (and said so).
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  void AddJson(const vmm::MapEntry& entry);
  bool AddHuman(const vmm::MapEntry& entry);

  bool json_;
  QemuVersion version_;
  TextOutput out_;
  bool first_ = true;
  std::string failure_;
};

}  // namespace instar::cli

#endif  // CLI_MAP_OUTPUT_H_
