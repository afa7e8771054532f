// Finds the guest images that the build embedded (library instar_vmm_images).
#include "executor/guest_image.h"

extern "C" const instar::vmm::EmbeddedImage instar_vmm_images_table[];
extern "C" const std::uint64_t instar_vmm_images_count;

namespace instar::vmm {

std::vector<GuestImage> AllGuestImages() {
  std::vector<GuestImage> images;
  for (std::uint64_t i = 0; i < instar_vmm_images_count; ++i) {
    const EmbeddedImage& image = instar_vmm_images_table[i];
    images.push_back({.name = image.name, .elf = {image.elf, image.elf_bytes}});
  }
  return images;
}

GuestImage FindGuestImage(std::string_view name) {
  for (const GuestImage& image : AllGuestImages()) {
    if (image.name == name) return image;
  }
  return {};
}

std::vector<GuestImage> FindParts(PartSet parts) {
  std::vector<GuestImage> found;
  for (std::size_t id = 0; id < kPartNames.size(); ++id) {
    if ((parts >> id & 1) != 0) found.push_back(FindGuestImage(kPartNames[id]));
  }
  return found;
}

}  // namespace instar::vmm
