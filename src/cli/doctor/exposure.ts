import ipaddr from 'ipaddr.js';
import type { Config } from '../../config.ts';
import type { Finding } from './finding.ts';

/** Addresses that a stranger's URL should never reach: this machine, and the services that clouds answer with credentials from. */
const DANGEROUS = ['127.0.0.1', '::1', '169.254.169.254', 'fd00:ec2::254'].map((address) => ipaddr.parse(address));

/** What an image's URL and a webhook may reach beside public addresses. */
export function checkOutbound({ outboundAllow }: Pick<Config, 'outboundAllow'>): Finding {
  if (outboundAllow.length === 0) return { check: 'outbound', status: 'ok', detail: 'public addresses only' };
  const detail = `public addresses and ${outboundAllow.join(', ')}`;
  const open = DANGEROUS.filter((address) =>
    outboundAllow.some((range) => {
      const [base, bits] = ipaddr.parseCIDR(range);
      return base.kind() === address.kind() && address.match(base, bits);
    }),
  );
  if (open.length === 0) return { check: 'outbound', status: 'ok', detail };
  return {
    check: 'outbound',
    status: 'warn',
    detail,
    advice: `callers can have ${open.join(', ')} asked: make GEO2_OUTBOUND_ALLOW narrower, unless nobody else calls`,
  };
}

export function checkKeys({ withoutKey, host }: Pick<Config, 'withoutKey' | 'host'>): Finding {
  switch (withoutKey) {
    case 'required':
      return { check: 'keys', status: 'ok', detail: `needed on ${host}; \`geo2 keys create\` makes one` };
    case 'local':
      return { check: 'keys', status: 'ok', detail: `not needed on ${host}, which only this machine reaches` };
    case 'open':
      return {
        check: 'keys',
        status: 'warn',
        detail: `not needed, and others can reach ${host}`,
        advice: 'leave GEO2_REQUIRE_KEY out, unless something in front of the service asks for keys',
      };
  }
}
