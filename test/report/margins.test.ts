import { expect } from 'chai'
import { chooseMargins } from '../../lib/report/margins.ts'

describe('margins of a report', () => {
  const cases: readonly (readonly [asked: number[], shown: number[]])[] = [
    [[1], [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]],
    [[-2], [-4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5, 0]],
    [[0], [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]],
    [
      [3, -1, 2],
      [-1, 2, 3],
    ],
    // Twice as much is more than float32, or float64, holds.
    [[2 ** 127], [0, 1, 2, 3, 4, 5, 6, 7].map((quarters) => quarters * 2 ** 125)],
    [[2 ** 1023], [0, 1, 2, 3, 4, 5, 6, 7].map((quarters) => quarters * 2 ** 1021)],
    // A quarter of it is 0.
    [[Number.MIN_VALUE], [-1, -0.75, -0.5, -0.25, Number.MIN_VALUE, 0.25, 0.5, 0.75, 1]],
  ]
  for (const [asked, shown] of cases) {
    it(`around ${asked} are ${shown}`, () => {
      expect(chooseMargins(asked)).to.deep.equal(shown)
    })
  }
})
