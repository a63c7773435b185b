#pragma once

namespace hinge_embedding_loss {

// The exact sum of doubles, head + tail, for as long as two doubles can hold it. All zeros is the empty sum.
struct SmallSum {
  double head;
  double tail;

  // Adds the value; or returns false and changes nothing, if the two cannot hold the sum or it is not finite.
  bool add(double value) {
    double error, lost;
    const double new_head = two_sum(head, value, error);
    const double new_tail = two_sum(tail, error, lost);
    if (lost != 0) return false;  // an infinite or NaN operand makes it NaN
    head = new_head;
    tail = new_tail;
    return true;
  }

 private:
  // Knuth's TwoSum: a + b = the returned sum + error, exactly.
  static double two_sum(double a, double b, double& error) {
    const double sum = a + b;
    const double part = sum - a;
    error = (a - (sum - part)) + (b - part);
    return sum;
  }
};

}  // namespace hinge_embedding_loss
