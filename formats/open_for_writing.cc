#include "formats/create.h"
#include "formats/qcow2/edit/image_editor.h"
#include "formats/raw/writer.h"
#include "formats/vhdx/image_editor.h"
#include "formats/vmdk/image_editor.h"
#include "formats/vpc/writer.h"
#include "formats/writer_table.h"

namespace instar {

Result<std::unique_ptr<ImageWriter>> OpenForWriting(const CreateOptions& options) {
  switch (options.format) {
    case FormatId::kRaw:
      return AsImageWriter(raw::Writer::Overwrite(options));
    case FormatId::kQcow2:
      return AsImageWriter(qcow2::ImageEditor::Open(options));
    case FormatId::kVpc:
      return vpc::Overwrite(options);
    case FormatId::kVmdk:
      return AsImageWriter(vmdk::ImageEditor::Open(options));
    case FormatId::kVhdx:
      return AsImageWriter(vhdx::ImageEditor::Open(options));
    case FormatId::kUnknown:
    case FormatId::kLuks:
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      return Unsupported("images of this format cannot be written");
  }
  return Unsupported("images of this format cannot be written");
}

}  // namespace instar
