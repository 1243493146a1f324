export function EndpointsPage() { return <p>soon</p>; }
