import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { parse } from 'yaml'
import { ERROR_CODES } from '../../server/errors.ts'
import { PROBLEM_KINDS } from '../../server/http/problem-table.ts'

const page = await readFile('docs/errors.md', 'utf8')
const document = parse(await readFile('openapi.yaml', 'utf8')) as {
  components: { schemas: { ErrorCode: { enum: string[] } } }
  paths: Record<string, Record<string, { responses: Record<string, { content: Record<string, { examples?: Record<string, unknown> }> }> }>>
}

void test('docs/errors.md has a section for each code and for nothing else', async (t) => {
  const sections = [...page.matchAll(/^### `?([A-Z_]+)`?$/gm)].map(([, code]) => code)
  t.strictSame(new Set(sections), new Set(ERROR_CODES))
  t.equal(sections.length, ERROR_CODES.length)
})

void test('docs/errors.md says of each code the status, the title and whether to try again that the server answers with', async (t) => {
  for (const section of page.split(/^### /m).slice(1)) {
    const code = /^`?([A-Z_]+)`?/.exec(section)?.[1] as keyof typeof PROBLEM_KINDS
    const { status, title, retryable } = PROBLEM_KINDS[code]
    t.ok(section.includes(String(status)), `${code} names ${status}`)
    t.ok(section.includes(title), `${code} names «${title}»`)
    t.match(section, retryable ? /retry|again|later/i : /./, `${code} says whether to try again`)
  }
})

void test('the document lists the same codes as the server', async (t) => {
  t.strictSame(document.components.schemas.ErrorCode.enum, [...ERROR_CODES])
})

void test('the document shows each code that a route can answer with at the status the server gives it', async (t) => {
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { responses }] of Object.entries(operations)) {
      for (const [status, { content }] of Object.entries(responses)) {
        const codes = Object.keys(content['application/problem+json']?.examples ?? {})
        const wrong = codes.filter((code) => PROBLEM_KINDS[code as keyof typeof PROBLEM_KINDS].status !== Number(status))
        t.strictSame(wrong, [], `${method} ${path} ${status}`)
      }
    }
  }
})
