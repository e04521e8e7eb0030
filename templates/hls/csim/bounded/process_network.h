// SPDX-License-Identifier: Apache-2.0
// C simulation only: dataflow processes as coroutines that are joined by bounded, blocking streams, with clocks.
//
// A step is what a process does in one clock: one iteration of a pipelined loop, marked by HBNN_COUNT_STEP. It is
// atomic: it takes all its beats and delivers all its beats in the same clock, as soon as all of them are there
// and there is room for all of them. Hardware may take earlier and deliver one by one, never the other way, so
// what does not block here does not block there, provided that its pipelines flush. A beat delivered in clock t
// can be taken from t + 1 on; the place of a beat taken in clock t can be filled from t + 1 on. Pipeline depths
// are not modelled.
//
// Every process has a clock of its own and runs ahead until it needs what another process has not done yet. Beats
// and places carry their times, so all times, peaks and deadlocks are the same whatever order processes run in.
#ifndef HBNN_PROCESS_NETWORK_H
#define HBNN_PROCESS_NETWORK_H

// Checks of longjmp, which distributions switch on by default, take a change of stacks for an error.
#if defined(_FORTIFY_SOURCE) && _FORTIFY_SOURCE > 0
#error "compile with -U_FORTIFY_SOURCE"
#endif

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdlib>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define HBNN_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HBNN_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef HBNN_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

// The library's step counter becomes the end of a clock.
#define HBNN_COUNT_STEP(layer) (hbnn_sim::network().current().mark_step())

namespace hbnn_sim {

typedef unsigned long long Clock;
typedef unsigned long long Count;

class Process;
class Network;

// What a process waits for.
enum Wait { NOTHING, EMPTY, FULL };

// A fault of the C++ itself, not of a depth: no simulation makes sense.
inline void stop(const std::string &fault) {
  std::cerr << fault << std::endl;
  std::_Exit(3);
}

// Times and counts of a stream; its words are in hls::stream.
class Channel {
 public:
  const std::string &name() const { return name_; }
  Count depth() const { return depth_; }
  Count peak() const { return peak_; }
  Count delivered() const { return delivered_; }
  Count taken() const { return taken_; }
  Clock waited(Wait why) const { return why == EMPTY ? waited_empty_ : waited_full_; }
  // When a beat that is left was written, oldest first.
  Clock left_since(Count i) const { return written_[(taken_ + i) & mask_]; }

  // Bound the stream; 0 leaves it without bound. Before the first beat only.
  void bound(Count depth) {
    depth_ = depth;
    while (written_.size() < depth) {
      grow();
    }
  }

 protected:
  explicit Channel(const std::string &name)
      : name_(name), depth_(0), mask_(0), pushed_(0), delivered_(0), popped_(0), taken_(0), settled_(0), passed_(0),
        peak_(0), waited_empty_(0), waited_full_(0), writer_(0), reader_(0), waiting_writer_(0),
        waiting_reader_(0), written_(1), freed_(1) {}
  virtual ~Channel() {}

  // Block until there is a beat, or room for one; return its place.
  Count begin_read();
  Count begin_write();

  // The place of a beat from outside that can be taken from a clock on.
  Count place(Clock time) {
    if (pushed_ - taken_ > mask_) {
      grow();
    }
    written_[pushed_ & mask_] = time;
    ++delivered_;
    return pushed_++ & mask_;
  }

  // Double the storage, keeping what is in use.
  virtual void grow() {
    const Count mask = 2 * mask_ + 1;
    std::vector<Clock> written(mask + 1), freed(mask + 1);
    for (Count i = taken_; i != delivered_; ++i) {
      written[i & mask] = written_[i & mask_];
    }
    for (Count i = passed_; i != taken_; ++i) {
      freed[i & mask] = freed_[i & mask_];
    }
    written_.swap(written);
    freed_.swap(freed);
    mask_ = mask;
  }

  // Beat i is the i-th ever written; those of a step that is not over are counted in pushed_ and popped_ only.
  const std::string name_;
  Count depth_;
  Count mask_;
  Count pushed_, delivered_;
  Count popped_, taken_;

 private:
  friend class Process;
  friend class Network;
  Channel(const Channel &);
  Channel &operator=(const Channel &);

  void claim(Process *&owner, const char *what);
  void deliver(Clock now);
  void take(Clock now);
  void settle(bool finally);

  Count settled_;  // beats whose occupancy is known
  Count passed_;   // beats taken before the last of those was written
  Count peak_;
  Clock waited_empty_, waited_full_;
  Process *writer_, *reader_;
  Process *waiting_writer_, *waiting_reader_;
  std::vector<Clock> written_;  // when beat i was written
  std::vector<Clock> freed_;    // when beat i was taken
};

// A stack of its own: memory that the system hands out when it is touched, with a guard page below.
class Stack {
 public:
  // Line buffers of sliding windows are local arrays, so stacks are deep.
  static const std::size_t SIZE = std::size_t(64) << 20;
  static const std::size_t GUARD = std::size_t(64) << 10;
  Stack() : base_(mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (base_ == MAP_FAILED || mprotect(base_, GUARD, PROT_NONE) != 0) {
      stop("there is no memory for the stack of a process");
    }
  }
  ~Stack() { munmap(base_, SIZE); }
  char *bottom() const { return static_cast<char *>(base_) + GUARD; }
  std::size_t size() const { return SIZE - GUARD; }

 private:
  Stack(const Stack &);
  Stack &operator=(const Stack &);
  void *base_;
};

// What a switch between stacks needs: entered once by setcontext, left and resumed by _setjmp and _longjmp, which
// save no signal mask and so make no system call.
struct Context {
  jmp_buf resume;
  ucontext_t entry;
  bool entered;
  const void *bottom;
  std::size_t size;
  void *fake_stack;
  Context() : entered(true), bottom(0), size(0), fake_stack(0) {}
};

// One dataflow process.
class Process {
 public:
  Process(const std::string &name, const std::function<void()> &body)
      : name_(name), body_(body), marked_(false), open_(false), finished_(false), steps_(0), now_(0), earliest_(0),
        late_why_(NOTHING), late_channel_(0), blocked_why_(NOTHING), blocked_channel_(0), waited_empty_(0),
        waited_full_(0) {}

  // The next clock begins.
  void mark_step() {
    marked_ = true;
    end_step();
    open_ = true;
  }

  const std::string &name() const { return name_; }
  bool finished() const { return finished_; }
  Count steps() const { return steps_; }
  Clock clock() const { return earliest_; }
  Clock waited(Wait why) const { return why == EMPTY ? waited_empty_ : waited_full_; }
  Wait blocked_why() const { return blocked_why_; }
  const Channel *blocked_channel() const { return blocked_channel_; }

 private:
  friend class Channel;
  friend class Network;
  Process(const Process &);
  Process &operator=(const Process &);

  void end_step() {
    if (!open_) {
      return;
    }
    for (std::size_t i = 0; i < reads_.size(); ++i) {
      reads_[i]->take(now_);
    }
    for (std::size_t i = 0; i < writes_.size(); ++i) {
      writes_[i]->deliver(now_);
    }
    reads_.clear();
    writes_.clear();
    if (now_ > earliest_) {
      (late_why_ == EMPTY ? waited_empty_ : waited_full_) += now_ - earliest_;
      (late_why_ == EMPTY ? late_channel_->waited_empty_ : late_channel_->waited_full_) += now_ - earliest_;
    }
    ++steps_;
    earliest_ = ++now_;
    open_ = false;
  }

  // A stream has one port, so using it again takes another clock.
  void use_again(const Channel &channel, const char *what) {
    if (marked_) {
      stop("process '" + name_ + "' " + what + " '" + channel.name() +
           "' twice within one step, so its loop cannot take one clock per iteration; every pipelined loop must "
           "call HBNN_COUNT_STEP once per iteration");
    }
    end_step();
  }

  // The step cannot be before a time.
  void not_before(Clock time, Wait why, Channel *channel) {
    open_ = true;
    if (time > now_) {
      now_ = time;
      late_why_ = why;
      late_channel_ = channel;
    }
  }

  void block(Wait why, Channel *channel);

  const std::string name_;
  const std::function<void()> body_;
  Context context_;
  Stack stack_;
  bool marked_, open_, finished_;
  Count steps_;
  Clock now_;       // when the step in progress happens, as far as is known
  Clock earliest_;  // when it would happen if nothing were waited for
  Wait late_why_;
  Channel *late_channel_;
  Wait blocked_why_;
  Channel *blocked_channel_;
  Clock waited_empty_, waited_full_;
  std::vector<Channel *> reads_, writes_;
};

// All processes and the order in which they run.
class Network {
 public:
  Network() : current_(0), switches_(0) {}

  void spawn(const std::string &name, const std::function<void()> &body) {
    processes_.push_back(std::unique_ptr<Process>(new Process(name, body)));
  }

  // Run until every process has finished or is blocked for ever.
  void run();

  const std::vector<std::unique_ptr<Process> > &processes() const { return processes_; }
  Process &current() { return *current_; }
  Count switches() const { return switches_; }

  // Close the books of a stream after the run.
  static void settle(Channel &channel) { channel.settle(true); }

 private:
  friend class Channel;
  friend class Process;
  Network(const Network &);
  Network &operator=(const Network &);

  static void prepare(Process &process);
  static void enter();
  void wake(Process *&waiting) {
    if (waiting != 0) {
      ready_.push_back(waiting);
      waiting = 0;
    }
  }
  // Let the others go first.
  void yield() {
    if (!ready_.empty()) {
      ready_.push_back(current_);
      leave(current_->context_);
    }
  }
  // Leave the running stack, saved in `from`, for the next ready process, or for run() if there is none.
  void leave(Context &from);
  static void resume(Context &from, Context &to);

  std::vector<std::unique_ptr<Process> > processes_;
  std::deque<Process *> ready_;
  Process *current_;
  Context main_;
  Count switches_;
};

inline Network &network() {
  static Network network;
  return network;
}

// Beats that a stream without bound holds before its writer lets others run: saves memory, changes no time.
static const Count RUN_AHEAD = 1024;

inline void Channel::claim(Process *&owner, const char *what) {
  Process *current = &network().current();
  if (owner != current) {
    if (owner != 0) {
      stop("stream '" + name_ + "' is " + what + " by two processes, '" + owner->name() + "' and '" + current->name() +
           "'; a stream joins one writer and one reader");
    }
    owner = current;
  }
}

inline Count Channel::begin_read() {
  claim(reader_, "read");
  Process &self = *reader_;
  if (popped_ != taken_) {
    self.use_again(*this, "reads");
  }
  while (popped_ == delivered_) {
    waiting_reader_ = &self;
    self.block(EMPTY, this);
  }
  self.not_before(written_[popped_ & mask_] + 1, EMPTY, this);
  self.reads_.push_back(this);
  return popped_++ & mask_;
}

inline Count Channel::begin_write() {
  claim(writer_, "written");
  Process &self = *writer_;
  if (pushed_ != delivered_) {
    self.use_again(*this, "writes");
  }
  if (depth_ == 0) {
    if (pushed_ - taken_ >= RUN_AHEAD) {
      network().yield();
    }
    if (pushed_ - taken_ > mask_) {
      grow();
    }
    self.not_before(0, FULL, this);
  } else {
    while (pushed_ - taken_ >= depth_) {
      waiting_writer_ = &self;
      self.block(FULL, this);
    }
    self.not_before(pushed_ < depth_ ? 0 : freed_[(pushed_ - depth_) & mask_] + 1, FULL, this);
  }
  self.writes_.push_back(this);
  return pushed_++ & mask_;
}

inline void Channel::deliver(Clock now) {
  written_[delivered_++ & mask_] = now;
  network().wake(waiting_reader_);
}

inline void Channel::take(Clock now) {
  if (taken_ - passed_ > mask_) {
    grow();
  }
  freed_[taken_++ & mask_] = now;
  settle(false);
  network().wake(waiting_writer_);
}

// Occupancy in the clock of a write: beats written until then, less those taken before that clock.
inline void Channel::settle(bool finally) {
  for (; settled_ != delivered_; ++settled_) {
    const Clock written = written_[settled_ & mask_];
    while (passed_ != taken_ && freed_[passed_ & mask_] < written) {
      ++passed_;
    }
    // Whether later takes come before that write is not known yet.
    if (passed_ == taken_ && !finally) {
      return;
    }
    if (settled_ + 1 - passed_ > peak_) {
      peak_ = settled_ + 1 - passed_;
    }
  }
}

inline void Process::block(Wait why, Channel *channel) {
  blocked_why_ = why;
  blocked_channel_ = channel;
  network().leave(context_);
  blocked_why_ = NOTHING;
  blocked_channel_ = 0;
}

// The frame of _setjmp must not be inlined: nothing but pointers may live across the second return.
__attribute__((noinline)) inline void Network::resume(Context &from, Context &to) {
#ifdef HBNN_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
#endif
  if (_setjmp(from.resume) == 0) {
    if (!to.entered) {
      to.entered = true;
      setcontext(&to.entry);
    }
    _longjmp(to.resume, 1);
  }
#ifdef HBNN_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(from.fake_stack, 0, 0);
#endif
}

inline void Network::leave(Context &from) {
  ++switches_;
  Context *to = &main_;
  if (ready_.empty()) {
    current_ = 0;
  } else {
    current_ = ready_.front();
    ready_.pop_front();
    to = &current_->context_;
  }
  if (to != &from) {
    resume(from, *to);
  }
}

// First and last frame of every process.
inline void Network::enter() {
  Network &all = network();
#ifdef HBNN_ADDRESS_SANITIZER
  const void *bottom = 0;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(0, &bottom, &size);
  if (all.main_.bottom == 0) {
    // The first process of all is entered from the main stack.
    all.main_.bottom = bottom;
    all.main_.size = size;
  }
#endif
  Process &self = all.current();
  self.body_();
  self.end_step();
  self.finished_ = true;
  all.leave(self.context_);
}

// getcontext returns twice, too, so it shares its frame with nothing.
__attribute__((noinline)) inline void Network::prepare(Process &process) {
  Context &context = process.context_;
  context.entered = false;
  context.bottom = process.stack_.bottom();
  context.size = process.stack_.size();
  getcontext(&context.entry);
  context.entry.uc_stack.ss_sp = process.stack_.bottom();
  context.entry.uc_stack.ss_size = process.stack_.size();
  context.entry.uc_link = 0;
  makecontext(&context.entry, &Network::enter, 0);
}

inline void Network::run() {
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    prepare(*processes_[i]);
    ready_.push_back(processes_[i].get());
  }
  leave(main_);
}

}  // namespace hbnn_sim

#endif
