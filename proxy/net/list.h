// A link of an intrusive, circular, doubly linked list: no allocation, unlinked by its destructor.
//
// A list is a ListNode of its own that serves as head; what hangs in it is derived from ListNode.
#pragma once

namespace outrigger::net {

class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const { return next_ != this; }
  void unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

  // Of a head: the first node, or null when the list is empty.
  ListNode* first() { return linked() ? next_ : nullptr; }
  // Of a head: adds `node`, which must not be linked, as the last.
  void append(ListNode& node) {
    node.prev_ = prev_;
    node.next_ = this;
    prev_->next_ = &node;
    prev_ = &node;
  }
  // Of a head: moves all of `other` behind what is here.
  void append_all(ListNode& other) {
    if (!other.linked()) return;
    other.next_->prev_ = prev_;
    prev_->next_ = other.next_;
    other.prev_->next_ = this;
    prev_ = other.prev_;
    other.prev_ = other.next_ = &other;
  }
  void unlink_all() {
    while (ListNode* node = first()) node->unlink();
  }

 private:
  ListNode* prev_ = this;
  ListNode* next_ = this;
};

}  // namespace outrigger::net
