// SPDX-License-Identifier: Apache-2.0
// C simulation only: an unbounded hls::stream for header sets that carry ap_int.h alone. It complains on
// standard error where hardware would hang; the vendor's tools bring their own.
#ifndef HBNN_HLS_STREAM_H
#define HBNN_HLS_STREAM_H

#include <deque>
#include <iostream>

namespace hls {

template <class Word>
class stream {
 public:
  explicit stream(const char *name = "stream") : name_(name) {}
  ~stream() {
    if (!words_.empty()) {
      std::cerr << "stream '" << name_ << "' contains leftover data\n";
    }
  }
  bool empty() const { return words_.empty(); }
  void write(const Word &word) { words_.push_back(word); }
  Word read() {
    if (words_.empty()) {
      std::cerr << "stream '" << name_ << "' is read while empty\n";
      return Word();
    }
    const Word word = words_.front();
    words_.pop_front();
    return word;
  }

 private:
  stream(const stream &);
  stream &operator=(const stream &);
  const char *name_;
  std::deque<Word> words_;
};

}  // namespace hls

#endif
