// Files that a verb changes in place: cut back to their old length when the change fails before it
// takes effect, also from a signal handler.
//
// A change takes effect by one write, its flip (formats/edit/transaction.h). Until the host issues
// it, all that the change did to its files can be undone by cutting them back, for nothing that the
// old image reaches was written to. From then on nothing is undone, and whoever wants to end the
// process waits:
//
//   kOpen      --- a signal, a deadline, an error --->  kUndone    files are cut back
//     |
//     v  BeginFlip
//   kFlipping  --- a signal, a deadline ------------->  waits until the flip has returned
//     |  EndFlip
//     v                     back to kOpen, if the flip did nothing at all, or if another change
//                           follows that counts for itself (BeginAnew)
//   kFlipped   --- a signal, a deadline ------------->  what is left to do is given up, soon
//   kDoubtful                                           nothing is changed any more
//
// kDoubtful: the flip failed, and the file may hold either image.
//
// Who is first, the flip or the end of the process, is decided by one compare-and-swap.
#ifndef LIBINSTAR_VMM_SRC_BROKER_EDITED_FILES_H_
#define LIBINSTAR_VMM_SRC_BROKER_EDITED_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "io/run_stop.h"

namespace instar::vmm {

// What a process that is asked to end may do; of several changes the last of these counts.
enum class Interruption {
  kEnd,         // end: there was nothing to undo
  kUndone,      // end: a change in place is undone
  kReclaiming,  // wait a little: a change took effect, or may have; the rest was told to stop
  kFlipping,    // wait: a change is just being written
};

// A file that is changed, as another process can know it.
struct EditedFile {
  std::string path;  // absolute
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t old_bytes = 0;

  template <typename Visitor>
  void Visit(Visitor&& visit) {
    visit("path", path);
    visit("device", device);
    visit("inode", inode);
    visit("old-bytes", old_bytes);
  }
};

// Cuts `file` back to its old length if it is longer, unless another has been put in its place.
void CutBackEditedFile(const EditedFile& file);

// The files of one broker. They stand in a table of the process, of fixed size and without locks,
// which is what a signal handler can read.
class EditedFiles {
 public:
  // What has become of the change, and how a flip ended.
  enum class FlipEnd { kDone, kNothingDone, kDoubtful };
  enum class Phase : int { kNone, kOpen, kUndone, kFlipping, kFlipped, kDoubtful };

  EditedFiles() = default;
  ~EditedFiles() { Keep(); }
  EditedFiles(const EditedFiles&) = delete;
  EditedFiles& operator=(const EditedFiles&) = delete;

  // Notes that the file open for writing as `fd`, which stays open while this object lives, is
  // changed and has `old_bytes`. `stop`: ends the work of the broker. False if the table is full.
  bool Add(int fd, std::uint64_t old_bytes, RunStop& stop);

  // From now on each flip ends a change and begins the next, which can be undone by itself: the
  // files are then cut back to the length that they had after the flip.
  void BeginAnew() { begins_anew_ = true; }

  // Around everything that changes a file: while it lasts nobody cuts the files. Not allowed: they
  // were cut back already, or the flip failed.
  class Write {
   public:
    explicit Write(EditedFiles& files);
    ~Write();
    Write(const Write&) = delete;
    Write& operator=(const Write&) = delete;
    [[nodiscard]] bool allowed() const { return allowed_; }

   private:
    EditedFiles& files_;
    bool allowed_ = true;
  };

  // Around the flip, within a Write. False: the end of the process came first, or an earlier flip
  // failed.
  bool BeginFlip();
  void EndFlip(FlipEnd end);

  [[nodiscard]] Phase phase() const;
  // Before the flip: cuts the files back to their old length.
  void Undo();
  // The change is over, whatever became of it.
  void Keep();

  // For all brokers of the process: undoes what has not taken effect. Async-signal-safe.
  static Interruption Interrupt();

 private:
  int entry_ = -1;
  bool begins_anew_ = false;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_EDITED_FILES_H_
