import t from 'tap'
import { signatureId } from '../../../server/operations/signature-id.ts'

t.test('signatureId is a UUID of version 7: its first 48 bits are the time, the rest is random', async (t) => {
  // The time of RFC 9562, appendix A.6.
  const at = new Date('2022-02-22T19:22:22.000Z')
  t.match(signatureId(at), /^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.not(signatureId(at), signatureId(at))
  t.ok(signatureId(new Date(at.getTime() + 1)) > signatureId(at), 'what is later sorts later')
})
