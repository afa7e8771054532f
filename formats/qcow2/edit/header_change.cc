#include "formats/qcow2/edit/header_change.h"

#include "formats/base/read_window.h"
namespace instar::qcow2 {
Result<HeaderWrites> PlanHeader(const BlockDevice& device, const Header& old_header,
                                const HeaderChange& change) {
  HeaderWrites w;
  w.root.resize(512);
  INSTAR_TRY(device.Read(0, w.root));
  auto old = w.root;
  Header h = change.header;
  h.autoclear_features &= 3;
  h.EncodeTo(w.root);
  if (change.bitmaps) {
    ReadWindow file(device, 4096);
    ExtensionWalk walk(file, old_header);
    for (;;) {
      auto r = walk.Next();
      if (!r) return std::unexpected(r.error());
      if (!*r) break;
      if ((*r)->type == 0x23852875) {
        if ((*r)->data_offset + 24 > 512) return Unsupported("stub");
        kBitmapsExtensionFields.Encode(*change.bitmaps,
                                       std::span(w.root).subspan((*r)->data_offset, 24));
      }
    }
  }
  if (w.root == old) w.root.clear();
  return w;
}
}  // namespace instar::qcow2
