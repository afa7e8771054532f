#include "broker/file_reader.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string>

#include "formats/base/endian.h"

namespace instar::vmm {
namespace {

constexpr std::size_t kLargestDatabase = 4 << 20;
constexpr std::size_t kAccessHeaderBytes = 4;
constexpr std::size_t kAccessEntryBytes = 8;
constexpr std::uint32_t kAccessVersion = 2;

// The mode as the list it stands for.
AccessList ListOfMode(mode_t mode) {
  using Tag = AccessEntry::Tag;
  return {{.tag = Tag::kOwner, .rights = mode >> 6 & 7},
          {.tag = Tag::kOwningGroup, .rights = mode >> 3 & 7},
          {.tag = Tag::kOthers, .rights = mode & 7}};
}

std::optional<AccessEntry::Tag> TagOf(std::uint16_t number) {
  using Tag = AccessEntry::Tag;
  for (const Tag tag :
       {Tag::kOwner, Tag::kUser, Tag::kOwningGroup, Tag::kGroup, Tag::kMask, Tag::kOthers}) {
    if (number == static_cast<std::uint16_t>(tag)) return tag;
  }
  return std::nullopt;
}

// Takes the text up to `end` from the front of `rest`, and that character.
std::string_view TakeUpTo(std::string_view& rest, char end) {
  const std::size_t at = std::min(rest.find(end), rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return taken;
}

std::optional<std::uint32_t> ParseId(std::string_view text) {
  std::uint32_t id = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return id;
}

// The fields of a line of passwd(5) or group(5): NAME:PASSWORD:ID:...
struct DatabaseLine {
  std::string_view name;
  std::optional<std::uint32_t> id;
  std::string_view rest;  // behind the ID
};
DatabaseLine Parse(std::string_view line) {
  DatabaseLine parsed;
  parsed.name = TakeUpTo(line, ':');
  TakeUpTo(line, ':');
  parsed.id = ParseId(TakeUpTo(line, ':'));
  parsed.rest = line;
  return parsed;
}

// Empty where it cannot be read or is too large.
std::string ReadDatabase(const char* path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) return {};
  std::string text;
  std::array<char, 16384> piece;
  ssize_t count = 0;
  while (text.size() <= kLargestDatabase && (count = read(file, piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  close(file);
  if (count != 0 || text.size() > kLargestDatabase) return {};
  return text;
}

}  // namespace

std::optional<AccessList> DecodeAccessList(std::span<const std::byte> attribute) {
  if (attribute.size() < kAccessHeaderBytes ||
      (attribute.size() - kAccessHeaderBytes) % kAccessEntryBytes != 0 ||
      LoadLe32(attribute, 0) != kAccessVersion) {
    return std::nullopt;
  }
  AccessList list;
  for (std::size_t at = kAccessHeaderBytes; at < attribute.size(); at += kAccessEntryBytes) {
    const auto tag = TagOf(LoadLe16(attribute, at));
    if (!tag) return std::nullopt;
    list.push_back(
        {.tag = *tag, .rights = LoadLe16(attribute, at + 2), .id = LoadLe32(attribute, at + 4)});
  }
  return list;
}

std::expected<AccessList, int> ReadAccessList(int fd) {
  // As long as the kernel lets an attribute be.
  constexpr std::size_t kMostBytes = 65536;
  constexpr std::size_t kMostlyEnough = 1024;
  for (const std::size_t bytes : {kMostlyEnough, kMostBytes}) {
    std::vector<std::byte> attribute(bytes);
    const ssize_t count =
        fgetxattr(fd, "system.posix_acl_access", attribute.data(), attribute.size());
    if (count >= 0) {
      attribute.resize(static_cast<std::size_t>(count));
      if (auto list = DecodeAccessList(attribute)) return *std::move(list);
      return std::unexpected(EBADMSG);
    }
    if (errno == ENODATA || errno == EOPNOTSUPP) return AccessList{};
    if (errno != ERANGE) return std::unexpected(errno);
  }
  return std::unexpected(ERANGE);
}

bool HasRight(const FileReader& reader, FileRight right, const struct stat& file,
              const AccessList& given) {
  using Tag = AccessEntry::Tag;
  const AccessList list = given.empty() ? ListOfMode(file.st_mode) : given;
  const unsigned wanted = static_cast<unsigned>(right);
  // What the mask leaves of the rights of groups and named users.
  unsigned mask = ~0u;
  for (const AccessEntry& entry : list) {
    if (entry.tag == Tag::kMask) mask = entry.rights;
  }
  const auto grants = [&](const AccessEntry& entry) { return (entry.rights & wanted) != 0; };
  const auto grants_masked = [&](const AccessEntry& entry) {
    return (entry.rights & mask & wanted) != 0;
  };
  for (const AccessEntry& entry : list) {
    if (entry.tag == Tag::kOwner && file.st_uid == reader.user) return grants(entry);
  }
  for (const AccessEntry& entry : list) {
    if (entry.tag == Tag::kUser && entry.id == reader.user) return grants_masked(entry);
  }
  bool all_groups = true;
  bool others = false;
  for (const AccessEntry& entry : list) {
    if (entry.tag == Tag::kOthers) others = grants(entry);
    if (entry.tag != Tag::kOwningGroup && entry.tag != Tag::kGroup) continue;
    const gid_t group = entry.tag == Tag::kGroup ? entry.id : file.st_gid;
    if (!grants_masked(entry)) {
      all_groups = false;
    } else if (std::ranges::find(reader.groups, group) != reader.groups.end()) {
      return true;
    }
  }
  return others && all_groups;
}

std::vector<gid_t> GroupsOf(uid_t user, std::string_view passwd, std::string_view group) {
  std::vector<gid_t> groups;
  std::vector<std::string_view> names;
  while (!passwd.empty()) {
    DatabaseLine line = Parse(TakeUpTo(passwd, '\n'));
    if (line.id != user) continue;
    names.push_back(line.name);
    if (const auto first = ParseId(TakeUpTo(line.rest, ':'))) groups.push_back(*first);
  }
  while (!group.empty()) {
    DatabaseLine line = Parse(TakeUpTo(group, '\n'));
    while (line.id && !line.rest.empty()) {
      const std::string_view member = TakeUpTo(line.rest, ',');
      if (std::ranges::find(names, member) == names.end()) continue;
      groups.push_back(*line.id);
      break;
    }
  }
  return groups;
}

FileReader ReaderOf(uid_t user) {
  return {.user = user,
          .groups = GroupsOf(user, ReadDatabase("/etc/passwd"), ReadDatabase("/etc/group"))};
}

}  // namespace instar::vmm
