// Is loaded before the tests of a target. Skips those that cannot hold there, and lifts the limits of time.
import { Runnable } from 'mocha'

const { skipped } = JSON.parse(process.env.HINGE_EMBEDDING_LOSS_TEST_TARGET)
const patterns = skipped.map((source) => new RegExp(source))

// An emulator and a busy machine take many times as long: the runner limits the time of a whole suite. Mocha takes 0 for no
// limit.
Runnable.prototype.timeout = function (...limits) {
  return limits.length === 0 ? 0 : this
}

export const mochaHooks = {
  beforeEach() {
    if (patterns.some((pattern) => pattern.test(this.currentTest.fullTitle()))) this.skip()
  },
}
