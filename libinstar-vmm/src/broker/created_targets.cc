#include "broker/created_targets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

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
void RemoveSlot(Slot& slot) {
  SlotState armed = SlotState::kArmed;
  if (!slot.state.compare_exchange_strong(armed, SlotState::kFilling)) return;
  struct stat status{};
  if (fstatat(slot.directory_fd, slot.name.data(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      status.st_dev == slot.device && status.st_ino == slot.inode) {
    unlinkat(slot.directory_fd, slot.name.data(), 0);
  }
  slot.state.store(SlotState::kFree);
}

}  // namespace

bool CreatedTargets::Add(int directory_fd, std::string_view name) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots[i];
    if (name.empty() || name.size() >= slot.name.size()) return false;
    struct stat status{};
    SlotState free = SlotState::kFree;
    if (!slot.state.compare_exchange_strong(free, SlotState::kFilling)) continue;
    if (fstatat(directory_fd, std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      slot.state.store(SlotState::kFree);
      return false;
    }
    slot.directory_fd = directory_fd;
    slot.device = status.st_dev;
    slot.inode = status.st_ino;
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
  for (const int i : slots_) RemoveSlot(slots[static_cast<std::size_t>(i)]);
  slots_.clear();
}

void CreatedTargets::RemoveAll() {
  const int saved_errno = errno;
  for (Slot& slot : slots) RemoveSlot(slot);
  errno = saved_errno;
}

}  // namespace instar::vmm
