// Notices as bytes, for the way from a jailed child process to its parent.
#ifndef LIBINSTAR_VMM_SRC_VERBS_NOTICE_CODEC_H_
#define LIBINSTAR_VMM_SRC_VERBS_NOTICE_CODEC_H_

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "instar/vmm/notices.h"

namespace instar::vmm {

// Callbacks that pass every notice, encoded, to `send`.
[[nodiscard]] Notices EncodedNotices(std::function<void(std::span<const std::byte>)> send);

// Calls the one of `notices` that `bytes` is for, if it is set. False if `bytes` are not what one
// of the callbacks above sends.
[[nodiscard]] bool DecodeNotice(std::span<const std::byte> bytes, const Notices& notices);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_VERBS_NOTICE_CODEC_H_
