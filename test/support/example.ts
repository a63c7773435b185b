/** The input and label of the example of 3 × 3, from the documentation of the loss. */
export const input = [
  [1, -2, 3],
  [0, -1, 2],
  [1, 0, 1],
]
export const label = [
  [-1, 1, -1],
  [1, 1, 1],
  [1, -1, 1],
]
