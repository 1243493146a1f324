export function GroupsPage() { return <p>soon</p>; }
