// The search takes words. Of --allow-duplicates it gets "allow duplicates", and of minkowski:3 "minkowski".
const { get, set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')
document.addEventListener('focusin', ({ target }) => {
  if (target.id !== 'tsd-search-input') return
  const words = (text) => {
    const parts = text.split(/[-:~^+*\s]+/)
    return parts.filter(({ length }) => length > 1).join(' ') || parts.join('')
  }
  Object.defineProperty(target, 'value', {
    get() {
      return words(get.call(this))
    },
    set(text) {
      set.call(this, text)
    },
  })
})

// Pictures follow the theme that the reader chose, not only that of the system.
const { documentElement } = document
function showTheme() {
  const media = { light: 'not all', dark: 'all' }[documentElement.dataset.theme] ?? '(prefers-color-scheme: dark)'
  for (const source of document.querySelectorAll('picture source')) source.media = media
}
new MutationObserver(showTheme).observe(documentElement, { attributeFilter: ['data-theme'] })
document.addEventListener('DOMContentLoaded', showTheme)
