// What TypeDoc does not know of the pages of this repository.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join, relative } from 'node:path'
import { Converter, DocumentReflection, PageEvent, Slugger, StructureRouter } from 'typedoc'

/** The pages in the order of the navigation. README.md is the home page, and the modules follow docs/api.md. */
export const pages = [
  ...['docs/install.md', 'docs/use.md', 'docs/files.md', 'docs/sql.md', 'docs/distributed.md'],
  ...['docs/site/report.md', 'examples/README.md', 'examples/spark/README.md', 'docs/api.md'],
  ...['docs/numerics.md', 'docs/performance.md', 'docs/architecture.md', 'docs/releasing.md', 'CHANGELOG.md'],
]

const root = join(import.meta.dirname, '../..')
const languages = { '.mjs': 'javascript', '.py': 'python' }

export function load(app) {
  app.renderer.defineRouter('pages', PageRouter)
  app.renderer.on(PageEvent.END, helpReaders)
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const page of project.documents) takeTitle(page)
    for (const page of project.documents) nameLinks(page.content, project)
    nameLinks(project.readme, project)
    addPrograms(project.documents.find((page) => pathOf(page) === 'examples/README.md'))
  })
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => listErrors(project))
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => orderNavigation(project), -1000)
}

/** Marks the main part for screen readers, and lets code that is wider than the page be scrolled by keys. */
function helpReaders(page) {
  page.contents = page.contents
    .replace('<div class="col-content">', '<div class="col-content" role="main">')
    .replaceAll('<pre><code', '<pre tabindex="0"><code')
}

function pathOf(page) {
  return relative(root, page.project.files.getReflectionPath(page))
}

/** Takes the first heading of a page as its title. */
function takeTitle(page) {
  const [first] = page.content
  const [heading, title] = /^# (.*)\n/.exec(first.text)
  page.name = title
  first.text = first.text.slice(heading.length)
}

/** Names the pages that the text calls by their files, as in [use.md](use.md), by their titles. */
function nameLinks(content, project) {
  for (const [i, part] of content.entries()) {
    if (part.kind !== 'relative-link') continue
    const page = project.files.resolve(part.target, project)
    if (page instanceof DocumentReflection)
      content[i - 1].text = content[i - 1].text.replace(/\[[\w/]+\.md\]\($/, `[${page.name}](`)
  }
}

/** Shows the programs of each example: on the page of its folder, or on a new page below the list of examples. */
function addPrograms(examples) {
  const { project } = examples
  const folder = join(root, 'examples')
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const files = statSync(path).isDirectory() ? readdirSync(path).map((file) => join(path, file)) : [path]
    const programs = files.filter((file) => extname(file) in languages)
    if (programs.length === 0) continue
    const readme = project.documents.find((page) => pathOf(page) === `examples/${name}/README.md`)
    const page = readme ?? addPage(examples, name, path)
    for (const file of [path, ...programs]) project.files.registerReflectionPath(file, page)
    page.content.push(...programs.map((file) => ({ kind: 'text', text: showProgram(file) })))
  }
}

function addPage(parent, name, path) {
  const page = new DocumentReflection(name, parent, [], {})
  parent.addChild(page)
  parent.project.registerReflection(page, undefined, path)
  return page
}

function showProgram(file) {
  return `\n## ${basename(file)}\n\n\`\`\`${languages[extname(file)]}\n${readFileSync(file, 'utf8')}\`\`\`\n`
}

/** Makes one list, with the class of each error, of what a function throws. */
function listErrors(project) {
  for (const { comment } of Object.values(project.reflections)) {
    const [first, ...others] = comment?.blockTags.filter(({ tag }) => tag === '@throws') ?? []
    if (first === undefined) continue
    first.content = [first, ...others].flatMap(({ typeAnnotation = '', content }) => {
      const name = typeAnnotation.replace(/^\{(.*)\}$/, '`$1` ')
      return [{ kind: 'text', text: `- ${name}` }, ...content, { kind: 'text', text: '\n' }]
    })
    first.typeAnnotation = undefined
    comment.blockTags = comment.blockTags.filter((tag) => !others.includes(tag))
  }
}

function orderNavigation(project) {
  const modules = project.children
  project.childrenIncludingDocuments = project.documents.flatMap((page) => {
    return pathOf(page) === 'docs/api.md' ? [page, ...modules] : [page]
  })
}

/** Gives pages short addresses, and makes each section of a page a target of the search. */
class PageRouter extends StructureRouter {
  buildPages(project) {
    const pages = super.buildPages(project).filter(({ url }) => url !== 'modules.html') // a list like the navigation
    this.fullUrls.set(project, 'index.html')
    for (const page of project.documents) this.addSections(page)
    return pages
  }

  getIdealBaseName(reflection) {
    if (!reflection.isDocument())
      return `api/${super.getIdealBaseName(reflection).replace('hinge-embedding-loss/', '')}`
    return pathOf(reflection)
      .replace(/(\/README)?\.\w+$/, '')
      .replace(/^docs\/(site\/)?/, '')
  }

  addSections(page) {
    const slugger = new Slugger({ lowercase: true })
    const text = page.content.map((part) => part.text).join('')
    for (const section of text.split(/^(?=##+ )/m).slice(1)) {
      const [heading] = section.split('\n')
      const title = heading.replace(/^#+ /, '').replaceAll('`', '')
      const target = new DocumentReflection(title, page, [{ kind: 'text', text: section }], {})
      this.fullUrls.set(target, `${this.fullUrls.get(page)}#${slugger.slug(title)}`)
    }
  }
}

/** Makes anchors of headings in code, as code hosts do, and leaves blocks without a language as they are. */
export function configureMarkdown(parser) {
  parser.core.ruler.push('as-on-code-hosts', ({ tokens }) => {
    for (const [i, token] of tokens.entries()) {
      if (token.type === 'fence') token.info ||= 'text'
      if (token.type !== 'heading_open') continue
      for (const child of tokens[i + 1].children) {
        if (child.type === 'code_inline') child.children = [{ type: 'text', content: child.content }]
      }
    }
  })
}
