// Is loaded before the tests of a target. Skips those that cannot hold there, and lifts the limits of time where it is slow.
import { Runnable } from 'mocha'

const { skipped, isSlow } = JSON.parse(process.env.HINGE_EMBEDDING_LOSS_TEST_TARGET)
const patterns = skipped.map((source) => new RegExp(source))

// The runner limits the time of a whole suite.
if (isSlow) Runnable.prototype.resetTimeout = () => undefined

export const mochaHooks = {
  beforeEach() {
    if (patterns.some((pattern) => pattern.test(this.currentTest.fullTitle()))) this.skip()
  },
}
