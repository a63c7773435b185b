/** The script of a page: sorts tables, and says what is under the pointer. The page is whole without it. */
export const script = `
'use strict'
const status = document.createElement('p')
status.setAttribute('role', 'status')
status.className = 'quiet'
document.body.append(status)

for (const table of document.querySelectorAll('table.sortable')) {
  const [body] = table.tBodies
  const rows = [...body.rows]
  const heads = [...table.tHead.rows[0].cells]
  const read = (row, column) => {
    const cell = row.cells[column]
    return heads[column].className === 'number' ? Number(cell.querySelector('data').value) : cell.textContent
  }
  const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(b, 'en', { numeric: true }) : a - b)
  heads.forEach((head, column) => {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(...head.childNodes)
    head.append(button)
    button.addEventListener('click', () => {
      const before = head.getAttribute('aria-sort')
      const isText = head.className === 'text'
      const order = before === null ? (isText ? 'ascending' : 'descending') : before === 'ascending' ? 'descending' : 'ascending'
      for (const other of heads) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', order)
      const sign = order === 'ascending' ? 1 : -1
      // What is no number stays at the end.
      const isLast = (value) => Number.isNaN(value)
      body.append(...[...rows].sort((one, other) => {
        const [a, b] = [read(one, column), read(other, column)]
        return isLast(a) || isLast(b) ? isLast(a) - isLast(b) : sign * compare(a, b)
      }))
      status.textContent = 'Sorted by ' + button.textContent + ', ' + order
    })
  })
}

// The text of the bar where the pointer is or was last, without the delay of a tooltip. A finger taps.
for (const figure of document.querySelectorAll('.multiples, figure:not(.multiples figure)')) {
  const readout = document.createElement('p')
  readout.className = 'readout'
  readout.setAttribute('aria-hidden', 'true')
  readout.textContent = 'Point at a bar to read its numbers.'
  if (figure.querySelector('.bars rect') === null) continue
  figure.after(readout)
  for (const title of figure.querySelectorAll('.bars title')) {
    title.parentNode.dataset.text = title.textContent
    title.remove()
  }
  let last
  const show = ({ target }) => {
    if (target.dataset.text === undefined) return
    last?.classList.remove('here')
    last = target
    last.classList.add('here')
    readout.textContent = last.dataset.text
  }
  figure.addEventListener('pointerover', show)
  figure.addEventListener('click', show)
}

// A box that scrolls takes the focus, so that arrow keys scroll it.
const boxes = new ResizeObserver((entries) => {
  for (const { target } of entries) target.toggleAttribute('tabindex', target.scrollWidth > target.clientWidth)
  for (const { target } of entries) if (target.hasAttribute('tabindex')) target.tabIndex = 0
})
for (const box of document.querySelectorAll('.scroll')) boxes.observe(box)
`
