import t from 'tap'
import { padded } from '../../../server/store/padded.ts'

t.test('padded repeats the last member up to a power of two, so that a condition matches the same rows', async (t) => {
  for (const [length, want] of [[0, 0], [1, 1], [2, 2], [3, 4], [4, 4], [5, 8], [4_096, 4_096]] as const) {
    const list = Array.from({ length }, (_, at) => at)
    t.equal(padded(list).length, want)
    t.strictSame([...new Set(padded(list))], list)
  }
})
