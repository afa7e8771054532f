// The parent locator of a differencing VHDX ([MS-VHDX] 2.6.2.6): keys and values, both UTF-16.
#ifndef FORMATS_VHDX_PARENT_LOCATOR_H_
#define FORMATS_VHDX_PARENT_LOCATOR_H_

#include <cstddef>
#include <span>
#include <vector>

#include "formats/base/error.h"
#include "formats/vhdx/constants.h"

namespace instar::vhdx {

struct ParentLocator {
  // The parent as a plain path (formats/base/windows_path.h), UTF-8: from relative_path, else from
  // absolute_win32_path, else from volume_path.
  std::vector<char> name;
  // The parent's data write GUID as text, "{...}". The second is there while the parent is being
  // changed by a merge.
  std::vector<char> linkage;
  std::vector<char> linkage2;

  // Whether the parent is one with this data write GUID.
  [[nodiscard]] bool LinksTo(const Guid& data_write_id) const;

  // From the metadata item. kCorrupt, kUnsupported for other kinds of locator.
  static Result<ParentLocator> DecodeFrom(std::span<const std::byte> item);
};

}  // namespace instar::vhdx

#endif  // FORMATS_VHDX_PARENT_LOCATOR_H_
