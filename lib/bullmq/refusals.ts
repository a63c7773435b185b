/** Redis refuses these for a while only, as when it is full. */
const passing = /^(OOM|LOADING|BUSY|MISCONF|MASTERDOWN|NOREPLICAS|TRYAGAIN)\b/

export function isRefusal(error: unknown): error is Error {
  return (error as Error | null)?.name === 'ReplyError'
}

/** True if Redis refuses a command and will not take it later either, as where its user lacks a right. */
export function isLasting(error: unknown): boolean {
  return isRefusal(error) && !passing.test(error.message)
}
