// The bulk steps and the writes of a claim, collected while its places are decided and sent in as
// few calls as the host's lists allow.
#ifndef INSTAR_CONVERT_TRANSFER_LIST_H_
#define INSTAR_CONVERT_TRANSFER_LIST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "instar/host.h"

namespace instar::convert {

class TransferList {
 public:
  // `zeros` are zero bytes that AddZeroBytes may write from; at least one if it is called.
  explicit TransferList(std::span<const std::byte> zeros, std::size_t expected) : zeros_(zeros) {
    steps_.reserve(expected);
    writes_.reserve(expected);
  }

  // Steps that follow one another in source and target become one.
  void AddStep(const TransferStep& step);
  // `data` must live until Send. Pieces that follow one another in memory and file become one.
  void AddWrite(DeviceId device, std::uint64_t offset, std::span<const std::byte> data);
  // Stores zeros, so that the range takes up storage.
  void AddZeroBytes(DeviceId device, std::uint64_t offset, std::uint64_t length);

  // Carries everything out and empties the list.
  Status Send(Host& host);
  // The same, for steps and writes that each go up in one target, in the order of that target.
  Status SendInOrder(Host& host);
  // Carries out what was added by AddWrite and AddZeroBytes.
  Status SendWrites(Host& host);

  // Where the last step that waits takes its bytes from, or kNoDevice.
  [[nodiscard]] DeviceId last_source() const {
    return steps_.empty() ? kNoDevice : steps_.back().source;
  }

  // How many steps wait.
  [[nodiscard]] std::size_t steps() const { return steps_.size(); }

 private:
  Status SendSteps(Host& host, std::span<const TransferStep> steps);
  Status SendWrites(Host& host, std::span<const WriteRequest> writes);

  std::span<const std::byte> zeros_;
  std::vector<TransferStep> steps_;
  std::vector<WriteRequest> writes_;
};

}  // namespace instar::convert

#endif  // INSTAR_CONVERT_TRANSFER_LIST_H_
