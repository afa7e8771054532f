#include "broker/created_targets.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "broker/created_file.h"
#include "jail/opener.h"

namespace instar::vmm {
namespace {

enum class SlotState : int { kFree, kFilling, kArmed };

struct Slot {
  std::atomic<SlotState> state{SlotState::kFree};
  int directory_fd = -1;
  dev_t device = 0;
  ino_t inode = 0;
  std::array<char, 256> name{};
};
static_assert(std::atomic<SlotState>::is_always_lock_free, "a signal handler reads it");

// As many as one operation can have files open.
std::array<Slot, 1024> slots;

// Whoever takes the slot out of kArmed, once, removes the file, if it still is the one that was
// created: somebody may have put another in its place.
void RemoveSlot(std::size_t number) {
  Slot& slot = slots[number];
  SlotState armed = SlotState::kArmed;
  if (!slot.state.compare_exchange_strong(armed, SlotState::kFilling)) return;
  if (!RemoveThroughOpener(static_cast<unsigned>(number))) {
    RemoveIfSame(slot.directory_fd, slot.name.data(), slot.device, slot.inode);
  }
  slot.state.store(SlotState::kFree);
}

}  // namespace

bool CreatedTargets::Add(int directory_fd, std::string_view name, const FileIdentity& identity) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots[i];
    if (name.empty() || name.size() >= slot.name.size()) return false;
    SlotState free = SlotState::kFree;
    if (!slot.state.compare_exchange_strong(free, SlotState::kFilling)) continue;
    slot.directory_fd = directory_fd;
    slot.device = identity.device;
    slot.inode = identity.inode;
    std::memcpy(slot.name.data(), name.data(), name.size());
    slot.name[name.size()] = '\0';
    slots_.push_back(static_cast<int>(i));
    slot.state.store(SlotState::kArmed);
    return true;
  }
  return false;
}

void CreatedTargets::Keep() {
  for (const int i : slots_) {
    SlotState armed = SlotState::kArmed;
    slots[static_cast<std::size_t>(i)].state.compare_exchange_strong(armed, SlotState::kFree);
  }
  slots_.clear();
}

void CreatedTargets::Remove() {
  for (const int i : slots_) RemoveSlot(static_cast<std::size_t>(i));
  slots_.clear();
}

void CreatedTargets::RemoveAll() {
  const int saved_errno = errno;
  for (std::size_t i = 0; i < slots.size(); ++i) RemoveSlot(i);
  errno = saved_errno;
}

void CreatedTargets::RemoveNumber(unsigned number) {
  if (number < slots.size()) RemoveSlot(number);
}

}  // namespace instar::vmm
