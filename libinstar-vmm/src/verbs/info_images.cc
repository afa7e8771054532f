#include "verbs/info_images.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "broker/local_path.h"
#include "formats/base/ids.h"
#include "report/printable_text.h"
#include "report/report_store.h"
#include "verbs/requested_format.h"

namespace instar::vmm {
namespace {

constexpr std::array<std::string_view, 5> kSetByHost = {
    "filename", "actual-size", "children", "full-backing-filename", "opened-references"};

// Puts the names of files in the place of their numbers, in the records that all reports share.
class FileNaming {
 public:
  FileNaming(ReportStore& store, const FileRecords& files) : store_(store), files_(files) {
    filename_key_ = KeyNumber("filename");
    device_key_ = KeyNumber("device");
    names_of_files_.resize(files.size(), kNoName);
    image_of_files_.resize(files.size());
  }

  // Names the files of the parts below `value`; they are those of the image with this number, and
  // what they store is added to `allocated_bytes`. What is wrong with them, or null.
  const char* NameParts(const ReportTree& value, std::uint64_t image,
                        std::uint64_t& allocated_bytes) {
    image_of_files_[image] = ++images_;  // its own storage is counted already
    return NameBelow(ReportStore::PlaceOf(value), allocated_bytes);
  }

  // Shows the string at `value` as `name`.
  void Rename(const ReportTree& value, const std::string& name) {
    Refer(ReportStore::PlaceOf(value), AddName(name));
  }

 private:
  static constexpr std::uint16_t kNoName = ~std::uint16_t{0};

  std::uint16_t KeyNumber(std::string_view key) {
    const auto known = std::ranges::find(store_.keys, key);
    if (known == store_.keys.end()) store_.keys.emplace_back(key);
    const auto number = std::ranges::find(store_.keys, key) - store_.keys.begin();
    return static_cast<std::uint16_t>(number);
  }

  std::uint16_t AddName(const std::string& name) {
    store_.names.push_back(name);
    return static_cast<std::uint16_t>(store_.names.size() - 1);
  }

  void Refer(std::size_t at, std::uint16_t name) {
    StoredHead head = store_.HeadAt(at);
    head.kind = StoredKind::kName;
    store_.SetHead(at, head);
    std::memcpy(store_.records.data() + at + sizeof(head), &name, sizeof(name));
  }

  const char* NameBelow(std::size_t at, std::uint64_t& allocated_bytes) {
    const StoredHead container = store_.HeadAt(at);
    if (container.kind != StoredKind::kObject && container.kind != StoredKind::kArray) {
      return nullptr;
    }
    const std::size_t end = store_.After(at);
    std::optional<std::size_t> device;
    bool named = false;
    for (std::size_t item = at + sizeof(container); item < end; item = store_.After(item)) {
      const StoredHead head = store_.HeadAt(item);
      named = named || head.key == filename_key_;
      if (head.key == device_key_ && head.kind == StoredKind::kUnsigned) {
        device = item;
      } else if (const char* wrong = NameBelow(item, allocated_bytes)) {
        return wrong;
      }
    }
    if (!device) return nullptr;
    if (named) return "it named a file that the host names";
    return NameDevice(*device, allocated_bytes);
  }

  const char* NameDevice(std::size_t at, std::uint64_t& allocated_bytes) {
    const std::uint64_t number = store_.NumberAt(at);
    if (number >= files_.size()) return "it told of a file that there is not";
    if (++parts_ > kMaxNamedParts) return "it told of more parts than images have";
    if (image_of_files_[number] != images_) {
      image_of_files_[number] = images_;
      allocated_bytes += files_[number].allocated_bytes;
    }
    if (names_of_files_[number] == kNoName) names_of_files_[number] = AddName(files_[number].path);
    StoredHead head = store_.HeadAt(at);
    head.key = filename_key_;
    store_.SetHead(at, head);
    Refer(at, names_of_files_[number]);
    return nullptr;
  }

  ReportStore& store_;
  const FileRecords& files_;
  std::uint16_t filename_key_ = 0;
  std::uint16_t device_key_ = 0;
  std::vector<std::uint16_t> names_of_files_;
  std::vector<std::size_t> image_of_files_;  // the image that counted each file last
  std::size_t images_ = 0;
  std::size_t parts_ = 0;
};

// What is wrong with the members of the image that `report` describes, or null.
const char* FaultOf(const ReportTree& report, const FileRecords& files, bool bare_file) {
  for (const auto& [key, value] : report.members()) {
    if (IsSetByHost(key)) return "it told a member that the host sets";
    if (key == "format-specific" && bare_file) return "it described the format of a plain file";
    if (key == "backing-filename" &&
        value.AsString().value_or(std::string_view()).size() > kMaxBackingNameBytes) {
      return "it told a name of a backing file that is longer than any format allows";
    }
  }
  if (report.UnsignedAt("device", files.size()) >= files.size()) return "it described no file";
  // That a file is shown as it is only the user decides.
  const std::string format(report.StringAt("format"));
  if (bare_file ? format != NameOf(FormatId::kRaw) : IsFileDriver(format)) {
    return "it told another format than the one asked for";
  }
  return nullptr;
}

const char* Complete(FileNaming& naming, const FileRecords& files, ReportTree report,
                     ImageInfo& image) {
  const std::uint64_t number = report.UnsignedAt("device");
  const DeviceRecord& file = files[number];
  image.filename = image.file_path = file.path;
  image.actual_size = file.allocated_bytes;
  image.file_size = file.size_bytes;
  if (const auto specific = report.Find("format-specific")) {
    if (const char* wrong = naming.NameParts(*specific, number, image.actual_size)) return wrong;
  }
  const std::string backing(report.StringAt("backing-filename"));
  if (!backing.empty()) {
    image.full_backing_filename = HasProtocol(backing) ? backing : CombinePath(file.path, backing);
  }
  image.report = std::move(report);
  return nullptr;
}

absl::Status Refused(const FileRecords& files, const char* why) {
  return absl::AbortedError(
      absl::StrCat(files.empty() ? std::string("image") : PrintableText(files.front().path),
                   ": info: guest ended: its report is refused: ", why));
}

}  // namespace

bool IsSetByHost(std::string_view key) {
  return std::ranges::find(kSetByHost, key) != kSetByHost.end();
}

absl::StatusOr<std::vector<ImageInfo>> CompleteImages(std::vector<ReportTree> reports,
                                                      const FileRecords& files,
                                                      const ImageSpec& image,
                                                      std::size_t max_images) {
  if (reports.empty()) return Refused(files, "it was empty");
  if (reports.size() > std::min(files.size(), max_images)) {
    return Refused(files, "it described more images than were opened");
  }
  const bool bare_file = IsFileDriver(image.format);
  // All of them stand in one store, which nobody else has.
  auto& store = const_cast<ReportStore&>(*ReportStore::StoreOf(reports.front()));
  FileNaming naming(store, files);
  std::vector<ImageInfo> images(reports.size());
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const char* wrong = FaultOf(reports[i], files, bare_file && i == 0);
    if (wrong == nullptr) wrong = Complete(naming, files, std::move(reports[i]), images[i]);
    if (wrong != nullptr) return Refused(files, wrong);
  }
  // The words of the specification in place of those found.
  ImageInfo& first = images.front();
  if (!image.name.empty()) first.filename = image.name;
  if (const auto format = first.report.Find("format"); bare_file && format) {
    naming.Rename(*format, image.format);
  }
  return images;
}

}  // namespace instar::vmm
