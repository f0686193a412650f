/** What a project serves, read from its OpenAPI document. */

export interface Endpoint {
	domain: string;
	name: string;
	description: string;
	/** Names of its parameters; those without a default must be given. */
	params: { name: string; required: boolean }[];
}

/** The few fields of OpenAPI that are read here. */
export interface Described {
	paths: Record<string, { get?: { summary?: string; parameters?: { name: string; in: string; required?: boolean }[] } }>;
}

const PATH = /^\/v1\/endpoints\/([^/]+)\/([^/]+)\.\{format\}$/;

export function endpointsOf(document: Described): Endpoint[] {
	return Object.entries(document.paths).flatMap(([path, { get }]) => {
		const [, domain, name] = PATH.exec(path) ?? [];
		if (!domain || !name || !get) return [];
		const params = (get.parameters ?? []).filter((one) => one.in === 'query');
		return [{
			domain,
			name,
			description: get.summary ?? '',
			params: params.map((one) => ({ name: one.name, required: one.required ?? false }))
		}];
	});
}

export function addressOf({ domain, name }: Endpoint, format: string): string {
	return `/v1/endpoints/${domain}/${name}.${format}`;
}

/** Whether it answers without being given anything. */
export function opens({ params }: Endpoint): boolean {
	return params.every((param) => !param.required);
}

/** Whether the project has what the city is drawn from. */
export function hasCity(endpoints: readonly Endpoint[]): boolean {
	return endpoints.some(({ domain, name }) => domain === 'homes' && name === 'city_heartbeat');
}
