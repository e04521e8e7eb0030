// SPDX-License-Identifier: Apache-2.0
// C simulation only: an hls::stream that blocks where hardware blocks, for the processes of process_network.h.
//
// There is no empty(), full(), size() or non-blocking access: what a process sees of them depends on pipeline depths,
// which are not modelled, and a network that asks can no longer be proved free of deadlocks by one simulation.
#ifndef HBNN_BOUNDED_HLS_STREAM_H
#define HBNN_BOUNDED_HLS_STREAM_H

#include "process_network.h"

namespace hls {

template <class Word>
class stream : public hbnn_sim::Channel {
 public:
  explicit stream(const std::string &name = "stream") : hbnn_sim::Channel(name), words_(1) {}

  Word read() { return words_[begin_read()]; }
  void read(Word &word) { word = read(); }
  void write(const Word &word) { words_[begin_write()] = word; }
  void operator>>(Word &word) { word = read(); }
  void operator<<(const Word &word) { write(word); }

  // Before the run: a beat that the outside offers from a clock on.
  void write_at(const Word &word, hbnn_sim::Clock time) { words_[place(time)] = word; }

  // After the run: a beat that no process took, oldest first.
  const Word &left(hbnn_sim::Count i) const { return words_[(taken_ + i) & mask_]; }

 private:
  virtual void grow() {
    std::vector<Word> words(2 * (mask_ + 1));
    for (hbnn_sim::Count i = taken_; i != pushed_; ++i) {
      words[i & (2 * mask_ + 1)] = words_[i & mask_];
    }
    words_.swap(words);
    hbnn_sim::Channel::grow();
  }

  std::vector<Word> words_;
};

}  // namespace hls

#endif
