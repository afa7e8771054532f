// Stands in for the tables of writers (formats/create.cc, formats/open_for_writing.cc) in images
// that write one family of formats: the host starts the image that can do what the user asked for.
// Which rows there are is said with definitions: INSTAR_CREATES_RAW, INSTAR_CREATES_QCOW2 and so
// on.
#include "formats/create.h"
#include "formats/writer_table.h"
#if defined(INSTAR_CREATES_RAW) || defined(INSTAR_OVERWRITES_RAW)
#include "formats/raw/writer.h"
#endif
#ifdef INSTAR_CREATES_QCOW2
#include "formats/qcow2/write/writer.h"
#endif
#ifdef INSTAR_CREATES_VHDX
#include "formats/vhdx/writer.h"
#endif
#ifdef INSTAR_CREATES_VMDK
#include "formats/vmdk/writer.h"
#endif
#if defined(INSTAR_CREATES_VPC) || defined(INSTAR_OVERWRITES_VPC)
#include "formats/vpc/writer.h"
#endif
#ifdef INSTAR_OVERWRITES_QCOW2
#include "formats/qcow2/edit/image_editor.h"
#endif
#ifdef INSTAR_OVERWRITES_VHDX
#include "formats/vhdx/image_editor.h"
#endif
#ifdef INSTAR_OVERWRITES_VMDK
#include "formats/vmdk/image_editor.h"
#endif

namespace instar {

Result<std::unique_ptr<ImageWriter>> CreateImage(const CreateOptions& options) {
#ifdef INSTAR_CREATES_RAW
  if (options.format == FormatId::kRaw) return AsImageWriter(raw::Writer::Create(options));
#endif
#ifdef INSTAR_CREATES_QCOW2
  if (options.format == FormatId::kQcow2) return AsImageWriter(qcow2::Writer::Create(options));
#endif
#ifdef INSTAR_CREATES_VHDX
  if (options.format == FormatId::kVhdx) return AsImageWriter(vhdx::Writer::Create(options));
#endif
#ifdef INSTAR_CREATES_VMDK
  if (options.format == FormatId::kVmdk) return vmdk::CreateWriter(options);
#endif
#ifdef INSTAR_CREATES_VPC
  if (options.format == FormatId::kVpc) return vpc::CreateWriter(options);
#endif
  (void)options;
  return Unsupported("this guest image does not write new images of this format");
}

Result<std::unique_ptr<ImageWriter>> OpenForWriting(const CreateOptions& options) {
#ifdef INSTAR_OVERWRITES_RAW
  if (options.format == FormatId::kRaw) return AsImageWriter(raw::Writer::Overwrite(options));
#endif
#ifdef INSTAR_OVERWRITES_QCOW2
  if (options.format == FormatId::kQcow2) return AsImageWriter(qcow2::ImageEditor::Open(options));
#endif
#ifdef INSTAR_OVERWRITES_VPC
  if (options.format == FormatId::kVpc) return vpc::Overwrite(options);
#endif
#ifdef INSTAR_OVERWRITES_VHDX
  if (options.format == FormatId::kVhdx) return AsImageWriter(vhdx::ImageEditor::Open(options));
#endif
#ifdef INSTAR_OVERWRITES_VMDK
  if (options.format == FormatId::kVmdk) return AsImageWriter(vmdk::ImageEditor::Open(options));
#endif
  (void)options;
  return Unsupported("this guest image does not write into existing images of this format");
}

}  // namespace instar
