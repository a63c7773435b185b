/** Colours that colour-blind readers can tell apart (Okabe and Ito). */
export const themes = {
  light: {
    paper: '#ffffff',
    ink: '#1f2328',
    pale: '#57606a',
    grid: '#e1e5ea',
    positive: '#0072b2',
    negative: '#d55e00',
  },
  dark: {
    paper: '#0d1117',
    ink: '#e6edf3',
    pale: '#9da7b3',
    grid: '#30363d',
    positive: '#56b4e9',
    negative: '#e69f00',
  },
} as const

/** The colours of a picture, in any form that SVG takes. */
export type Theme = Readonly<Record<keyof (typeof themes)['light'], string>>

/** The size of a picture in pixels. Either the picture or each strip has a fixed height. */
export interface Size {
  readonly width: number
  readonly height?: number
  readonly stripHeight?: number
  /** the number of columns for 1 panel, 2 panels, … */
  readonly columns: readonly number[]
  /** the same for panels with several margins, which have twice as many strips */
  readonly columnsOfMargins: readonly number[]
  /** the font size for 1 column, 2 columns, … */
  readonly fontSizes: readonly number[]
  /** true if a page around the picture has its title and its words */
  readonly isBare?: boolean
}

export const sizes = {
  readme: {
    width: 880,
    stripHeight: 110,
    columns: [1, 2, 3, 2, 3, 3, 4, 4, 3, 4, 4, 4],
    columnsOfMargins: [1, 2, 3, 2, 3, 3, 4, 4, 3, 4, 4, 4],
    fontSizes: [14, 13, 12, 12],
  },
  slide: {
    width: 1600,
    height: 900,
    columns: [1, 2, 3, 4, 3, 3, 4, 4, 5, 5, 6, 6],
    columnsOfMargins: [1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6],
    fontSizes: [26, 22, 19, 18, 16, 15],
  },
} as const satisfies Readonly<Record<string, Size>>

export const mostPanels = sizes.readme.columns.length

export interface Look {
  readonly theme: Theme
  readonly size: Size
}
