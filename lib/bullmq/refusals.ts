/** Redis refuses with these for a while only, as when it is full. */
const temporary = /^(OOM|LOADING|BUSY|MISCONF|MASTERDOWN|NOREPLICAS|TRYAGAIN)\b/

/** True if an error is Redis' answer to a command. */
export function isRefusal(error: unknown): error is Error {
  return (error as Error | null)?.name === 'ReplyError'
}

/** True if Redis will refuse the command later too, as where its user lacks a right. */
export function isPermanentRefusal(error: unknown): boolean {
  return isRefusal(error) && !temporary.test(error.message)
}
