// Which files an operation reads as one virtual disk: an image and, where the caller decides
// instead of the images, what stands below it.
#ifndef INSTAR_IMAGE_SOURCE_H_
#define INSTAR_IMAGE_SOURCE_H_

#include <optional>
#include <vector>

#include "formats/base/ids.h"
#include "formats/base/raw_window.h"

namespace instar {

// A backing file that the caller chose.
struct BackingSource {
  DeviceId device = kNoDevice;           // kNoDevice: the one that the image above names
  FormatId format = FormatId::kUnknown;  // kUnknown: as the image above states it, else probe
  std::optional<RawWindow> window{};     // of a raw image

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, device);
    visit(2, format);
    visit(3, window);
  }
};

struct ImageSource {
  ImageSource() = default;
  // An image and what it names itself: most sources are no more than that, so implicit.
  ImageSource(DeviceId id, FormatId as = FormatId::kUnknown)  // NOLINT(google-explicit-constructor)
      : device(id), format(as) {}

  DeviceId device = kNoDevice;
  FormatId format = FormatId::kUnknown;  // kUnknown: probe
  std::optional<RawWindow> window{};     // of a raw image
  // The images below, from the top: backing[0] takes the place of what `device` names. What the
  // last of them (or, if there are none, the image itself) names follows, unless the chain ends
  // there.
  std::vector<BackingSource> backing{};
  bool ends = false;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit(1, device);
    visit(2, format);
    visit(3, window);
    visit(4, backing);
    visit(5, ends);
  }
};

}  // namespace instar

#endif  // INSTAR_IMAGE_SOURCE_H_
