import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSignal, unknownSignal, type SignalName } from '../../domain/connection/messages.ts';

const names: SignalName[] = ['rotateKey', 'syncNow', 'pause', 'resume', 'disconnect'];

describe('a signal', () => {
  it('is read if it has the documented form', () => {
    const keyId = 'ABCDEF00-0000-4000-8000-000000000001';
    expect(parseSignal('rotateKey', { keyId })).toEqual({ type: 'rotateKey', keyId: keyId.toLowerCase() });
    expect(parseSignal('syncNow', undefined)).toEqual({ type: 'syncNow' });
    expect(parseSignal('syncNow', { from: '2026-01-01', to: '2026-01-02' })).toEqual({
      type: 'syncNow',
      from: '2026-01-01',
      to: '2026-01-02',
    });
    expect(parseSignal('disconnect', null)).toEqual({ type: 'disconnect', purge: false });
    expect(parseSignal('disconnect', { purge: true })).toEqual({ type: 'disconnect', purge: true });
    expect(parseSignal('pause', undefined)).toEqual({ type: 'pause' });
  });

  it('that is malformed gets a reason that quotes nothing of it', () => {
    const secret = 'sk-ant-admin01-SECRET';
    for (const [name, input] of [
      ['rotateKey', { keyId: secret }],
      ['rotateKey', secret],
      ['rotateKey', {}],
      ['syncNow', { from: secret, to: secret }],
      ['syncNow', { from: '2026-01-01' }],
      ['syncNow', { from: '2026-01-02', to: '2026-01-01' }],
      ['syncNow', { from: '2026-02-30', to: '2026-03-01' }],
      ['disconnect', { purge: 'yes' }],
      ['pause', [secret]],
      ['pause', { because: secret }],
      ['rotateKey', { keyId: '00000000-0000-4000-8000-000000000001', key: secret }],
    ] as const) {
      const message = parseSignal(name, input);
      expect(message.type, `${name} ${JSON.stringify(input)}`).toBe('malformed');
      expect(JSON.stringify(message)).not.toContain('SECRET');
    }
  });

  it('has a name that no connection knows: it says so, and quotes it only where it is a name', () => {
    expect(unknownSignal('syncnow')).toMatchObject({ type: 'malformed', signal: 'syncnow' });
    for (const name of ['sk-ant-admin01-SECRET', 'my-sk-ant-SECRET', 'SECRET '.repeat(9), 'SECRET\n', '']) {
      expect(JSON.stringify(unknownSignal(name))).not.toContain('SECRET');
    }
  });

  it('never throws, whatever it carries', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.anything(), (name, input) => {
        expect(parseSignal(name, input).type).toBeTypeOf('string');
      }),
    );
  });
});
