/** The project that is served: its endpoints, asked for anew when its files are taken up. */
import { endpointsOf, hasCity, type Described, type Endpoint } from './endpoints.ts';

class Project {
	endpoints = $state.raw<readonly Endpoint[]>([]);
	/** Whether it has been asked for once, with whatever outcome. */
	asked = $state(false);
	city = $derived(hasCity(this.endpoints));

	async load(): Promise<void> {
		try {
			const answer = await fetch('/openapi.json');
			if (answer.ok) this.endpoints = endpointsOf((await answer.json()) as Described);
		} catch {
			// Nothing answers: the stream says so, and this is asked again once it is up.
		}
		this.asked = true;
	}
}

export const project = new Project();
